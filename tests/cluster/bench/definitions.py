"""Definitions of kinds that the platform's objects are of, for clusters without the operators that bring them."""

import json
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import tools
from tests.cluster.bench.cluster import Cluster
from tests.cluster.bench.process import wait_for

Json = dict[str, Any]
CRDS = "config/crds/bases"
CLAIMS = Path(__file__).parents[3] / "skeletons" / "new-database" / "crossplane.yaml"


def definition(folder: str, name: str) -> Json:
    """A CustomResourceDefinition as its project ships it."""
    file = tools.data("definitions", folder) / f"{name}.yaml"
    found: Json = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    # The webhook that converts old versions is not here; the new ones need none.
    found["spec"].pop("conversion", None)
    return found


def external_secret_definitions() -> list[Json]:
    """SecretStores and ExternalSecrets."""
    return [definition(CRDS, f"external-secrets.io_{name}") for name in ("secretstores", "externalsecrets")]


def chart_definitions() -> list[Json]:
    """What `base-service` makes behind switches: routes, monitors, rules of alerts, ExternalSecrets."""
    operator = "example/prometheus-operator-crd"
    return [
        definition("config/crd/standard", "gateway.networking.k8s.io_httproutes"),
        *(definition(operator, f"monitoring.coreos.com_{name}") for name in ("servicemonitors", "prometheusrules")),
        definition(CRDS, "external-secrets.io_externalsecrets"),
    ]


def claim_definition() -> Json:
    """The CRD of the claims, as Crossplane makes it of the platform's definition."""
    offered = yaml.load(CLAIMS.read_bytes(), Loader=yaml.CSafeLoader)["spec"]
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


def install(cluster: Cluster, *definitions: Json) -> None:
    """Apply definitions and wait until the API server serves them, which it does a while after it has established them."""
    for made in definitions:
        cluster.apply(made)
        group, plural = made["spec"]["group"], made["spec"]["names"]["plural"]
        for version in made["spec"]["versions"]:
            if version["served"]:
                path = f"/apis/{group}/{version['name']}/{plural}"
                wait_for(f"{path} to be served", lambda path=path: cluster.request("GET", path).is_success or None, 60)
