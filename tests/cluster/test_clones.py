"""Databases and environments that expire, on the bench: what the cluster has, what Argo CD makes and takes away."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster import tools
from tests.cluster.bench import Cluster
from tests.unit.skeletons.golden_path import SKELETONS

from understage.errors import InputError
from understage.integrations.kubernetes import clusters_from_config
from understage.sdk.testing import fake_ports, run_action
from understage_actions.database_render import render

DATABASE = {
    "name": "purse-db",
    "service": "purse",
    "team": "treasury",
    "environment": "staging",
    "ttl": "2d",
    "extensions": ["pg_trgm"],
}


def definition(folder: str, name: str) -> dict[str, Any]:
    file = tools.data("definitions", folder) / f"{name}.yaml"
    found: dict[str, Any] = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    return found


def claim_definition() -> dict[str, Any]:
    """The CRD of the claims, as Crossplane makes it of the platform's definition."""
    definition = yaml.load((SKELETONS / "new-database" / "crossplane.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    offered = definition["spec"]
    (version,) = offered["versions"]
    schema = json.loads(json.dumps(version["schema"]))
    schema["openAPIV3Schema"]["properties"]["spec"]["properties"]["writeConnectionSecretToRef"] = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{offered['claimNames']['plural']}.{offered['group']}"},
        "spec": {
            "group": offered["group"],
            "scope": "Namespaced",
            "names": {**offered["claimNames"], "singular": offered["claimNames"]["kind"].lower()},
            "versions": [{"name": version["name"], "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def definitions(cluster: Cluster) -> None:
    """The cluster knows no databases when the test begins."""
    missing = tools.lacking(["definitions"])
    if missing:
        pytest.skip("; ".join(missing))


async def apply_rendered(cluster: Cluster, folder: Path, **input: Any) -> dict[str, Any]:
    """Render by what the cluster has, and apply it as Argo CD would; the output."""
    config = {
        "understage": {"kubernetes": {"clusters": [{"name": "bench", "kubeconfig": str(cluster.kubeconfig)}]}},
    }
    ports = fake_ports(clusters=clusters_from_config(config))
    result = await run_action(render, {**DATABASE, **input}, ports=ports, workspace=folder)
    for manifest in result.output["manifests"]:
        cluster.apply(manifest)
    return result.output


async def test_the_definitions_of_the_cluster_choose_the_engine(
    cluster: Cluster, definitions: None, tmp_path: Path
) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "purse-staging"}})
    with pytest.raises(InputError, match=r"has not CloudNativePG .* nor the Crossplane claim"):
        await apply_rendered(cluster, tmp_path)

    claims = claim_definition()
    cluster.apply(claims)
    cluster.path_of(
        {"apiVersion": "database.understage.io/v1alpha1", "kind": "PostgreSQLInstance", "metadata": {"name": "x"}}
    )
    claimed = await apply_rendered(cluster, tmp_path, extensions=[])
    assert claimed["engine"] == "crossplane"
    path = "/apis/database.understage.io/v1alpha1/namespaces/purse-staging/postgresqlinstances/purse-db"
    stored = cluster.get(path)
    assert stored is not None
    assert stored["spec"]["parameters"]["memory"] == "512Mi"
    assert stored["metadata"]["annotations"]["understage.io/expires-at"] == claimed["expiresAt"]

    for name in ("clusters", "databases", "scheduledbackups"):
        cluster.apply(definition("config/crd/bases", f"postgresql.cnpg.io_{name}"))
    cluster.path_of({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "x"}})
    made = await apply_rendered(cluster, tmp_path, size="large")
    assert made["engine"] == "cloudnative-pg"
    api = "/apis/postgresql.cnpg.io/v1/namespaces/purse-staging"
    stored = cluster.get(f"{api}/clusters/purse-db")
    assert stored is not None
    assert (stored["spec"]["instances"], stored["spec"]["storage"]["size"]) == (3, "100Gi")
    for kind in ("databases", "scheduledbackups"):
        found = cluster.get(f"{api}/{kind}/purse-db")
        assert found is not None
        # What the definition does not know is dropped: all that was written is still there.
        (wanted,) = [item for item in made["manifests"] if item["kind"].lower() + "s" == kind]
        assert wanted["spec"].items() <= found["spec"].items()
    cluster.delete("/api/v1/namespaces/purse-staging")
