"""The Kubernetes integration and `kubernetes:create-namespace` against a real API server."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Cluster

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.kubernetes import KubernetesCluster, KubernetesClusters, clusters_from_config
from understage.sdk.testing import fake_ports, run_action
from understage_actions.kubernetes_apply import apply
from understage_actions.kubernetes_create_namespace import create_namespace
from understage_actions.kubernetes_wait import wait

Manifest = dict[str, Any]


def connect(cluster: Cluster, **changes: Any) -> KubernetesClusters:
    """The bench's cluster as the stock configuration names it, its certificate verified."""
    entry = {
        "name": "bench",
        "url": cluster.url,
        "authProvider": "serviceAccount",
        "serviceAccountToken": cluster.admin_token,
        "caData": base64.b64encode(cluster.certificate.read_bytes()).decode(),
        **changes,
    }
    return clusters_from_config({"kubernetes": {"clusterLocatorMethods": [{"type": "config", "clusters": [entry]}]}})


def reach(cluster: Cluster, **changes: Any) -> KubernetesCluster:
    found = connect(cluster, **changes).get()
    assert found is not None
    return found


def namespace(name: str, **labels: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def config_map(namespace: str, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": namespace},
        "data": data,
    }


async def test_an_object_is_applied_read_and_deleted(cluster: Cluster) -> None:
    api = reach(cluster)
    await api.apply(namespace("apply-probe"))
    stored = await api.apply(config_map("apply-probe", color="red"))
    assert stored["data"] == {"color": "red"}
    assert [entry["manager"] for entry in stored["metadata"]["managedFields"]] == ["understage"]
    await api.apply(config_map("apply-probe", shape="round"), dry_run=True)
    found = await api.get("v1", "ConfigMap", "settings", "apply-probe")
    assert found is not None
    assert found["data"] == {"color": "red"}
    assert await api.delete("v1", "ConfigMap", "settings", "apply-probe") is True
    # In the foreground: the object stays until the cluster has looked for its dependents.
    async with asyncio.timeout(30):
        while await api.get("v1", "ConfigMap", "settings", "apply-probe") is not None:
            await asyncio.sleep(0.05)
    assert await api.delete("v1", "ConfigMap", "settings", "apply-probe") is False


async def test_a_field_of_another_manager_is_left_alone_unless_forced(cluster: Cluster) -> None:
    api = reach(cluster)
    await api.apply(namespace("conflict-probe"))
    cluster.apply(config_map("conflict-probe", color="blue"))
    with pytest.raises(ConflictError, match=r'\.data\.color belong to another manager \(conflict with "bench"\)'):
        await api.apply(config_map("conflict-probe", color="red"))
    stored = await api.apply(config_map("conflict-probe", color="red"), force=True)
    assert stored["data"] == {"color": "red"}


async def test_a_stale_resource_version_is_a_conflict(cluster: Cluster) -> None:
    api = reach(cluster)
    await api.apply(namespace("version-probe"))
    first = await api.apply(config_map("version-probe", color="red"))
    await api.apply(config_map("version-probe", color="green"))
    stale = config_map("version-probe", color="blue")
    stale["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError, match="the object has been modified"):
        await api.apply(stale)


@pytest.mark.parametrize(
    ("manifest", "error", "message"),
    [
        (config_map("no-such-namespace"), NotFoundError, 'namespaces "no-such-namespace" not found'),
        ({**config_map("default"), "spec": {"x": 1}}, InputError, "spec: field not declared in schema"),
        (namespace("Not_A_Name"), InputError, "RFC 1123"),
        ({**namespace("x"), "apiVersion": "example.com/v1", "kind": "Toy"}, NotFoundError, "knows no kind Toy"),
        ({**config_map("x"), "metadata": {"name": "settings"}}, InputError, "needs a namespace"),
        ({"kind": "ConfigMap"}, InputError, "needs apiVersion, kind and metadata.name"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_refusals_are_readable(
    manifest: Manifest, error: type[Exception], message: str, cluster: Cluster
) -> None:
    with pytest.raises(error, match=message):
        await reach(cluster).apply(manifest)


async def test_access_that_does_not_suffice_says_what_to_change(cluster: Cluster) -> None:
    key = r"kubernetes.clusterLocatorMethods\[0\].clusters\[0\]"
    with pytest.raises(NotAllowedError, match=rf"cannot patch resource \"namespaces\".*identity in {key}"):
        await reach(cluster, serviceAccountToken=cluster.developer_token).apply(namespace("denied"))
    with pytest.raises(ForeignError, match=rf"does not accept the credentials \(401\).*{key}"):
        await reach(cluster, serviceAccountToken="wr0ng").get("v1", "Namespace", "default")
    with pytest.raises(ForeignError, match=rf"does not answer: .*CERTIFICATE_VERIFY_FAILED.*{key}"):
        await reach(cluster, caData=None).get("v1", "Namespace", "default")
    with pytest.raises(ForeignError, match=rf"https://127.0.0.1:1 does not answer.*{key}"):
        await reach(cluster, url="https://127.0.0.1:1").get("v1", "Namespace", "default")
    assert await reach(cluster, caData=None, skipTLSVerify=True).get("v1", "Namespace", "default")


async def test_a_kubeconfig_is_used_where_it_is_named(cluster: Cluster, tmp_path: Path) -> None:
    def named(kubeconfig: Path, **more: str) -> KubernetesCluster:
        entry = {"name": "file", "kubeconfig": str(kubeconfig), **more}
        found = clusters_from_config({"understage": {"kubernetes": {"clusters": [entry]}}}).get("file")
        assert found is not None
        return found

    api = named(cluster.kubeconfig, context="bench")
    assert api.server == cluster.url
    assert await api.get("v1", "Namespace", "default")
    for broken in (named(tmp_path / "absent"), named(cluster.kubeconfig, context="other")):
        with pytest.raises(InputError, match=r"understage.kubernetes.clusters\[0\]: the kubeconfig"):
            await broken.get("v1", "Namespace", "default")


async def test_the_golden_namespace_is_in_force(cluster: Cluster, tmp_path: Path) -> None:
    ports = fake_ports(clusters=connect(cluster))
    step = {"namespace": "ledger-production", "team": "group:default/payments", "environment": "production"}
    for _ in range(2):
        output = (await run_action(create_namespace, step, workspace=tmp_path, ports=ports)).output
        assert (output["applied"], output["cluster"]) == (True, "bench")
    for manifest in output["manifests"]:
        stored = cluster.get(cluster.path_of(manifest))
        assert stored is not None
        assert stored["metadata"]["labels"].items() >= manifest["metadata"]["labels"].items()
        if manifest["kind"] == "ResourceQuota":
            assert stored["spec"]["hard"] == manifest["spec"]["hard"]

    pods = "/api/v1/namespaces/ledger-production/pods"
    bare: Manifest = {"metadata": {"name": "bare"}, "spec": {"containers": [{"name": "main", "image": "x:1"}]}}
    refused = cluster.request("POST", pods, json=bare, user="ann", groups=["payments"])
    assert refused.status_code == 403
    assert 'violates PodSecurity "restricted' in refused.json()["message"]
    stranger = cluster.request("POST", pods, json=bare, user="bob", groups=["storefront"])
    assert "cannot create resource" in stranger.json()["message"]

    with pytest.raises(ConflictError, match="belongs to team payments"):
        await run_action(create_namespace, {**step, "team": "storefront"}, workspace=tmp_path, ports=ports)
    cluster.apply(namespace("nobodys"))
    nobodys = {**step, "namespace": "nobodys"}
    with pytest.raises(ConflictError, match="adopt: true"):
        await run_action(create_namespace, nobodys, workspace=tmp_path, ports=ports)
    await run_action(create_namespace, {**nobodys, "adopt": True}, workspace=tmp_path, ports=ports)


WIDGETS = """\
apiVersion: probe.example.com/v1
kind: Widget
metadata: {name: first}
spec: {size: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.probe.example.com}
spec:
  group: probe.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: step-apply}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "example.com/web:1"}]}
"""


async def test_a_step_applies_a_definition_its_object_and_a_deployment_and_waits(
    cluster: Cluster, tmp_path: Path
) -> None:
    ports = fake_ports(clusters=connect(cluster))
    (tmp_path / "all.yaml").write_text(WIDGETS)
    step = {"files": ["all.yaml"], "namespace": "step-apply", "clusterScoped": True}
    planned = await run_action(apply, step, workspace=tmp_path, ports=ports, dry_run=True)
    assert planned.output["applied"] is False
    assert cluster.get("/api/v1/namespaces/step-apply") is None
    first = (await run_action(apply, {**step, "wait": True}, workspace=tmp_path, ports=ports)).output
    assert [(each["kind"], each["operation"]) for each in first["objects"]] == [
        ("Namespace", "created"),
        ("CustomResourceDefinition", "created"),
        ("Widget", "created"),
        ("Deployment", "created"),
    ]
    again = (await run_action(apply, step, workspace=tmp_path, ports=ports)).output
    assert {each["operation"] for each in again["objects"]} == {"unchanged"}
    assert [each["uid"] for each in again["objects"]] == [each["uid"] for each in first["objects"]]

    web = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    for goal in ("ready", "condition=Available", "jsonpath={.status.readyReplicas}=2"):
        waited = {"objects": [web], "namespace": "step-apply", "for": goal, "timeout": 60}
        output = (await run_action(wait, waited, workspace=tmp_path, ports=ports)).output
        assert output["objects"][0]["status"]["availableReplicas"] == 2

    widget = {"apiVersion": "probe.example.com/v1", "kind": "Widget", "name": "first"}
    gone = {"objects": [widget], "namespace": "step-apply", "for": "delete", "timeout": 1}
    with pytest.raises(ForeignError, match="Widget step-apply/first: is still there"):
        await run_action(wait, gone, workspace=tmp_path, ports=ports)
    await reach(cluster).delete("probe.example.com/v1", "Widget", "first", "step-apply")
    await run_action(wait, {**gone, "timeout": 30}, workspace=tmp_path, ports=ports)


async def test_a_dry_run_lets_the_server_check_every_object(cluster: Cluster, tmp_path: Path) -> None:
    ports = fake_ports(clusters=connect(cluster))
    await reach(cluster).apply(namespace("dry-probe"))
    wrong = {**config_map("dry-probe"), "spec": {"x": 1}}
    with pytest.raises(InputError, match="field not declared in schema"):
        await run_action(apply, {"manifests": wrong}, workspace=tmp_path, ports=ports, dry_run=True)
    for api_version in ("../../api/v1", "apps/v1/namespaces", "x?y=z/v1"):
        hostile = {**config_map("dry-probe"), "apiVersion": api_version}
        with pytest.raises((InputError, NotFoundError), match=r"no name of|knows no kind"):
            await run_action(apply, {"manifests": hostile}, workspace=tmp_path, ports=ports)
