"""What the chart renders, before a real API server: every object is taken, and its pods pass Pod Security *restricted*."""

from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Cluster
from tests.cluster.test_kubernetes import reach
from tests.unit.skeletons.test_base_service import render_all

from understage.errors import ForeignError, NotAllowedError

NAMESPACE = "base-service-probe"
# What needs nothing that is installed beside the API server.
VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"},
    "autoscaling": {"enabled": True},
    "ingress": {"enabled": True, "hostnames": ["ledger.example.com"], "tlsSecretName": "ledger-tls"},
    "config": {"files": {"app.yaml": "level: 1\n"}},
    "extraVolumes": [{"name": "cache", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "cache", "mountPath": "/cache"}],
}


def a_pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """One as the Deployment's controller would make it."""
    (template,) = [made["spec"]["template"] for made in objects if made["kind"] == "Deployment"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ledger-probe", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }


@pytest.fixture
async def restricted(cluster: Cluster) -> Cluster:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await reach(cluster).apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    )
    return cluster


async def test_a_real_api_server_takes_all_of_it(restricted: Cluster, helm_binary: Path, tmp_path: Path) -> None:
    api = reach(restricted)
    objects = await render_all(helm_binary, tmp_path, VALUES, NAMESPACE)
    kinds = sorted(made["kind"] for made in objects)
    assert kinds == [
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget"),
        *("Service", "ServiceAccount"),
    ]
    for made in objects:
        await api.apply(made)
        stored = await api.get(made["apiVersion"], made["kind"], made["metadata"]["name"], NAMESPACE)
        assert stored is not None
        assert stored["metadata"]["labels"]["helm.sh/chart"] == made["metadata"]["labels"]["helm.sh/chart"]
    assert (await api.apply(a_pod(objects), dry_run=True))["spec"]["containers"][0]["name"] == "ledger"


async def test_a_way_out_of_the_chart_is_none_out_of_the_guardrails(
    restricted: Cluster, helm_binary: Path, tmp_path: Path
) -> None:
    objects = await render_all(helm_binary, tmp_path, {**VALUES, "podOverrides": {"hostNetwork": True}}, NAMESPACE)
    with pytest.raises((ForeignError, NotAllowedError), match="host namespaces"):
        await reach(restricted).apply(a_pod(objects), dry_run=True)
