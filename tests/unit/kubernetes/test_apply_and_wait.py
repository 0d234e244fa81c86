"""`kubernetes:apply` and `kubernetes:wait` on a cluster in memory: what is refused, what is said."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError
from understage.sdk import Action
from understage.sdk.testing import ActionResult, FakeCluster, FakeClusters, fake_ports, run_action
from understage_actions import _kubernetes_wait
from understage_actions.kubernetes_apply import apply
from understage_actions.kubernetes_wait import wait

SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "green"}}
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest.fixture
def cluster() -> FakeCluster:
    found = FakeCluster(namespaces=("default", "kube-system"))
    found.seed({**SHOP, "metadata": {"name": "shop", "labels": {"team": "payments"}}}, manager="admin")
    return found


async def run(
    action: Action[Any, Any], workspace: Path, cluster: FakeCluster, *, dry_run: bool = False, **input: Any
) -> ActionResult:
    ports = fake_ports(clusters=FakeClusters([cluster]))
    return await run_action(action, input, workspace=workspace, ports=ports, dry_run=dry_run)


async def test_objects_of_all_sources_are_applied_once(tmp_path: Path, cluster: FakeCluster) -> None:
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "b.yaml").write_text(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n---\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: c, namespace: shop}\n"
    )
    (tmp_path / "k8s" / "README.md").write_text("# no manifest")
    step = {"manifests": [SETTINGS], "files": ["k8s"], "namespace": "shop"}
    planned = (await run(apply, tmp_path, cluster, **step, dry_run=True)).output
    assert planned["applied"] is False
    assert ("v1", "ConfigMap", "shop", "settings") not in cluster.objects
    first = (await run(apply, tmp_path, cluster, **step)).output
    assert [(each["kind"], each["name"], each["operation"]) for each in first["objects"]] == [
        ("ConfigMap", "settings", "created"),
        ("Secret", "b", "created"),
        ("Service", "c", "created"),
    ]
    assert [each["operation"] for each in planned["objects"]] == ["created"] * 3
    again = (await run(apply, tmp_path, cluster, **step)).output
    assert [each["operation"] for each in again["objects"]] == ["unchanged"] * 3
    changed = {**SETTINGS, "data": {"color": "red"}}
    result = (await run(apply, tmp_path, cluster, manifests=changed, namespace="shop")).output
    assert result["objects"][0]["operation"] == "changed"


async def test_a_namespace_comes_before_what_is_in_it(tmp_path: Path, cluster: FakeCluster) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: new}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: new}\n"
    )
    planned = await run(apply, tmp_path, cluster, manifests=text, clusterScoped=True, dry_run=True)
    assert any("is not checked: its namespace or its kind is not there yet" in line for line in planned.log)
    result = (await run(apply, tmp_path, cluster, manifests=text, clusterScoped=True)).output
    assert [each["kind"] for each in result["objects"]] == ["Namespace", "ConfigMap"]


@pytest.mark.parametrize(
    ("input", "error", "message"),
    [
        ({"manifests": SETTINGS, "namespace": "kube-system"}, InputError, "reserved"),
        ({"manifests": SETTINGS}, InputError, "namespace '' is not allowed"),
        ({"manifests": SETTINGS, "namespace": "../x"}, InputError, "is not allowed"),
        ({"manifests": SHOP}, NotAllowedError, "clusterScoped: true"),
        (
            {"manifests": {**SHOP, "metadata": {"name": "kube-x"}}, "clusterScoped": True},
            InputError,
            "reserved",
        ),
        ({"manifests": {"kind": "Pod"}}, InputError, "needs apiVersion, kind and metadata.name"),
        ({"manifests": "a: 1"}, InputError, "manifests:1"),
        ({}, InputError, "There are no objects"),
        ({"files": ["absent"]}, NotFoundError, "has no manifest absent"),
        ({"files": ["../x"]}, NotAllowedError, "outside its parent"),
        ({"manifests": SETTINGS, "namespace": "shop", "team": "storefront"}, ConflictError, "belongs to team payments"),
        ({"manifests": SETTINGS, "namespace": "absent", "team": "payments"}, NotFoundError, "does not exist"),
        ({"manifests": [SETTINGS] * 501, "namespace": "shop"}, InputError, "more than the 500"),
    ],
)
async def test_refusals(
    tmp_path: Path, cluster: FakeCluster, input: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = dict(cluster.objects)
    with pytest.raises(error, match=message):
        await run(apply, tmp_path, cluster, **input)
    assert cluster.objects == before


async def test_a_link_is_no_manifest(tmp_path: Path, cluster: FakeCluster) -> None:
    (tmp_path / "workspace" / "k8s").mkdir(parents=True)
    (tmp_path / "host.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: stolen}\n")
    (tmp_path / "workspace" / "k8s" / "a.yaml").symlink_to(tmp_path / "host.yaml")
    with pytest.raises(NotFoundError, match="has no manifest k8s"):
        await run(apply, tmp_path / "workspace", cluster, files=["k8s"], namespace="shop")


async def test_without_a_cluster_the_message_says_what_to_configure(tmp_path: Path) -> None:
    for action, input in ((apply, {"manifests": SETTINGS}), (wait, {"objects": [{"kind": "Pod", "name": "x"}]})):
        with pytest.raises(InputError, match=r"No cluster is configured.*kubernetes\.clusterLocatorMethods"):
            await run_action(action, input, workspace=tmp_path)


def web(**status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, **status},
    }


WEB = {"objects": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}], "namespace": "shop"}


async def test_each_change_is_logged_until_it_is_ready(
    tmp_path: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [web(), web(updatedReplicas=2, replicas=2, availableReplicas=1)] * 2 + [
        web(updatedReplicas=2, replicas=2, availableReplicas=2)
    ]
    monkeypatch.setattr(_kubernetes_wait, "POLL_SECONDS", 0.0)

    async def get(*key: Any) -> dict[str, Any] | None:
        return states.pop(0)

    monkeypatch.setattr(cluster, "get", get)
    result = await run(wait, tmp_path, cluster, **WEB)
    assert [line.rpartition("s: ")[2] for line in result.log] == [
        "0 of 2 updated, 0 available",
        "2 of 2 updated, 1 available",
        "0 of 2 updated, 0 available",
        "2 of 2 updated, 1 available",
        "2 of 2 updated, 2 available",
    ]
    assert result.output["objects"][0]["status"]["availableReplicas"] == 2


async def test_what_failed_for_good_is_not_waited_for(tmp_path: Path, cluster: FakeCluster) -> None:
    over = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}
    cluster.seed(web(conditions=[over]), manager="kcm")
    with pytest.raises(ForeignError, match=r"Deployment shop/web in cluster default failed: has timed out"):
        await run(wait, tmp_path, cluster, **WEB)


async def test_the_time_limit_tells_what_is_missing(
    tmp_path: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(_kubernetes_wait.time, "monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(_kubernetes_wait, "POLL_SECONDS", 0.0)
    blocked = {"type": "Available", "status": "False", "message": "exceeded quota"}
    cluster.seed(web(conditions=[blocked]), manager="kcm")
    with pytest.raises(ForeignError, match=r"Waited 5 s for ready .*web: 0 of 2 updated, 0 available; exceeded quota"):
        await run(wait, tmp_path, cluster, **WEB, timeout=5)


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}}


@pytest.mark.parametrize(
    ("goal", "status", "is_reached"),
    [
        ("create", {}, True),
        ("condition=Ready", {"conditions": [{"type": "Ready", "status": "True"}]}, True),
        ("condition=ready=false", {"conditions": [{"type": "Ready", "status": "True"}]}, False),
        ("jsonpath={.status.phase}=Running", {"phase": "Running"}, True),
        ("jsonpath={.status.phase}=Running", {"phase": "Pending"}, False),
        ("jsonpath={.status.ips[0].ip}", {"ips": [{"ip": "10.0.0.1"}]}, True),
        ("jsonpath={.status.ips[1].ip}", {"ips": [{"ip": "10.0.0.1"}]}, False),
        ("jsonpath={.status.ok}=true", {"ok": True}, True),
        ("delete", {}, False),
    ],
)
def test_goals(goal: str, status: dict[str, Any], is_reached: bool) -> None:
    look = _kubernetes_wait.parse_for(goal)
    assert look({**POD, "status": status}).is_reached is is_reached
    assert look(None).is_reached is (goal == "delete")


@pytest.mark.parametrize(
    ("kind", "spec", "status", "is_reached", "is_final"),
    [
        (
            "StatefulSet",
            {"replicas": 1},
            {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1},
            True,
            False,
        ),
        ("DaemonSet", {}, {"observedGeneration": 1, "desiredNumberScheduled": 1, "numberAvailable": 0}, False, False),
        ("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}, True, False),
        ("Job", {}, {"conditions": [{"type": "Failed", "status": "True", "message": "no"}]}, False, True),
        ("Pod", {}, {"phase": "Succeeded"}, True, False),
        ("Pod", {}, {"phase": "Failed"}, False, True),
        ("PersistentVolumeClaim", {}, {"phase": "Pending"}, False, False),
        ("Service", {"type": "LoadBalancer"}, {}, False, False),
        ("Service", {"type": "ClusterIP"}, {}, True, False),
        ("Database", {}, {"conditions": [{"type": "Ready", "status": "False"}]}, False, False),
        ("ConfigMap", {}, {}, True, False),
    ],
)
def test_ready_by_kind(kind: str, spec: Any, status: Any, is_reached: bool, is_final: bool) -> None:
    state = _kubernetes_wait.parse_for("ready")({**POD, "kind": kind, "spec": spec, "status": status})
    assert (state.is_reached, state.is_final) == (is_reached, is_final)


@pytest.mark.parametrize(
    "goal", ["nonsense", "condition=", "jsonpath={.a..b}", "jsonpath={.a[?(@.x)]}", "jsonpath={.a[b]}"]
)
async def test_goals_that_are_not_known(goal: str, tmp_path: Path, cluster: FakeCluster) -> None:
    with pytest.raises(InputError, match="for: "):
        await run(wait, tmp_path, cluster, **{**WEB, "for": goal}, dry_run=True)


async def test_a_dry_run_waits_for_nothing(tmp_path: Path, cluster: FakeCluster) -> None:
    result = await run(wait, tmp_path, cluster, **WEB, dry_run=True)
    assert result.log == ["Would wait up to 300 s in cluster default for Deployment web: ready"]
