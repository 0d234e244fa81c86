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
from understage_actions.kubernetes_create_namespace import create_namespace

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
