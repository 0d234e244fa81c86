"""What the chart renders, before a real API server: every object is taken whole, its pods pass Pod Security *restricted*, can be
moved, and outlive the chart."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import tools
from tests.cluster.bench import Cluster
from tests.cluster.bench.definitions import chart_definitions, install
from tests.cluster.bench.process import wait_for
from tests.cluster.test_kubernetes import reach
from tests.docs.markdown import Page
from tests.unit.skeletons.golden_path import publish
from tests.unit.skeletons.test_base_service import CHART, IMAGE, render_all
from tests.unit.skeletons.test_new_service import FORM

from understage.errors import ForeignError, NotAllowedError
from understage.integrations.helm import HelmBinary
from understage.sdk.yaml import parse_documents

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


# What operators and gateways bring the definitions of.
OPERATED: dict[str, Any] = {
    "image": IMAGE,
    "route": {"enabled": True, "hostnames": ["ledger.example.com", "*.ledger.example.com"]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "slo": {"enabled": True, "runbookUrl": "https://runbooks.example.com/ledger"},
    "externalSecret": {"enabled": True, "data": {"PASSWORD": {"key": "teams/payments/production/ledger"}}},
}
MADE = "operated-probe"


@pytest.fixture
def operated(cluster: Cluster) -> Iterator[Cluster]:
    """The definitions as their projects ship them; other tests find what they had."""
    if lacking := tools.lacking(["definitions"]):
        (pytest.fail if os.environ.get("UNDERSTAGE_REQUIRE_ALL") else pytest.skip)("; ".join(lacking))
    before = {made["metadata"]["name"]: cluster.get(cluster.path_of(made)) for made in chart_definitions()}
    install(cluster, *chart_definitions())
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MADE}})
    yield cluster
    cluster.delete(f"/api/v1/namespaces/{MADE}")
    for made in chart_definitions():
        known = before[made["metadata"]["name"]]
        if known is None:
            cluster.delete(cluster.path_of(made))
        else:
            cluster.apply({**made, "spec": known["spec"]})


def lost(wanted: Any, stored: Any, path: str = "") -> Iterator[str]:
    """What the API server dropped or changed of what was written."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        for name, value in wanted.items():
            yield from lost(value, stored[name], f"{path}.{name}") if name in stored else [f"{path}.{name}"]
    elif isinstance(wanted, list) and isinstance(stored, list) and len(wanted) == len(stored):
        for index, value in enumerate(wanted):
            yield from lost(value, stored[index], f"{path}[{index}]")
    elif wanted != stored:
        yield path


async def test_definitions_of_operators_know_every_member(operated: Cluster, helm_binary: Path, tmp_path: Path) -> None:
    objects = await render_all(helm_binary, tmp_path, OPERATED, MADE)
    kinds = ("HTTPRoute", "ServiceMonitor", "PrometheusRule", "ExternalSecret")
    made = {item["kind"]: item for item in objects if item["kind"] in kinds}
    assert sorted(made) == sorted(kinds)
    for kind, item in made.items():
        stored = operated.apply(item)
        assert list(lost(item["spec"], stored["spec"])) == [], kind


async def test_a_node_is_drained_of_the_only_pod_and_of_one_of_two(
    cluster: Cluster, helm_binary: Path, tmp_path: Path
) -> None:
    namespace = "drain-probe"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    budget = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/ledger"

    def allowed(replicas: int) -> int | None:
        """How many may be taken, as soon as the controller has counted all of them."""
        status = (cluster.get(budget) or {}).get("status") or {}
        return int(status["disruptionsAllowed"]) if status.get("currentHealthy") == replicas else None

    def evict(name: str) -> int:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        return cluster.request("POST", path, json=eviction).status_code

    for replicas in (1, 2):
        for item in await render_all(helm_binary, tmp_path, {"image": IMAGE, "replicas": replicas}, namespace):
            cluster.apply(item)
        assert wait_for("the budget", lambda replicas=replicas: allowed(replicas), 60) == 1
        pods = [pod["metadata"]["name"] for pod in cluster.pods(namespace)]
        answers = [evict(name) for name in pods]
        assert answers == [201, 429][:replicas]
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


async def test_leaving_the_chart_replaces_nothing(cluster: Cluster, helm_binary: Path, tmp_path: Path) -> None:
    """By the command of its README, from what a golden path wrote and Argo CD deployed."""
    (command,) = [block.text for block in Page(CHART / "README.md").blocks if "helm template" in block.text]
    form = {**FORM, "name": "leaver"}
    service = await publish(tmp_path, helm_binary, form, template="new-service", folder="service")
    namespace = "leaver-production"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    deployed = await HelmBinary(str(helm_binary)).template(
        service / "deploy",
        release=namespace,
        namespace=namespace,
        values=[service / "deploy/environments/production.yaml"],
    )
    before = [cluster.apply(document.value) for document in parse_documents(deployed) if document.value]
    environment = {"PATH": f"{helm_binary.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    shell = ["sh", "-ec", command.replace("ledger", "leaver")]
    await asyncio.to_thread(subprocess.run, shell, cwd=service, env=environment, check=True, timeout=60)
    plain = [
        document.value for document in parse_documents((service / "manifests.yaml").read_bytes()) if document.value
    ]
    after = [cluster.apply(item) for item in plain]
    assert len(before) == len(after) >= 5
    for old, new in zip(before, after, strict=True):
        assert (new["metadata"]["uid"], new.get("spec")) == (old["metadata"]["uid"], old.get("spec"))
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")
