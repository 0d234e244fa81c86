"""What was in a namespace before its label, before a real API server and its controllers: left alone as it is, judged as soon
as it changes, and replaced to the end by what is good.

Kyverno's policies have the very same conditions (`tests/unit/policies/test_updates.py`); its command, which cannot be given an
old object of another shape, is asked in `test_kyverno.py` of updates that change nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cluster.bench import Cluster
from tests.cluster.bench.definitions import install
from tests.cluster.bench.process import wait_for
from tests.cluster.test_policies import ROUTES
from tests.unit.policies.corpus import corpus
from tests.unit.policies.updates import MADE_ONCE, Json, harmless, merged, settled, touched

from understage.integrations.policies import PolicyCheck, admission_policies, read_policies

RULES = Path(__file__).parents[2] / "skeletons" / "policies" / "rules.yaml"
POLICIES = read_policies(RULES)
CHECK = PolicyCheck(POLICIES)
NAMESPACE, SERVICE, RENEWED, LEFT = "settlers", "homestead", "farmstead", "orphanage"
CONTAINER = {"name": "main", "image": "registry.example.com/settlers/homestead:1.0.0"}
CASES = settled(NAMESPACE)


def labelled(**labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def named(api_version: str, kind: str, name: str = SERVICE, **members: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **members}


def workload(name: str = SERVICE) -> Json:
    """As a team wrote it before there were rules: no labels, no limits, nothing of its security."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return named("apps/v1", "Deployment", name, spec=spec)


@pytest.fixture(scope="module")
def guarded(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with a namespace full of what the rules refuse, and now under them."""
    policies = admission_policies(POLICIES)
    knew_routes = cluster.get(cluster.path_of(ROUTES)) is not None
    install(cluster, ROUTES)
    cluster.apply(labelled())
    for name in (SERVICE, RENEWED, LEFT):
        cluster.apply(workload(name))
    cluster.apply(named("v1", "Pod", "hermit", spec={"containers": [CONTAINER]}))
    for case in CASES:
        cluster.apply(case.object)
    for name in (SERVICE, RENEWED):
        wait_for(f"pods of {name}", lambda name=name: len(pods(cluster, name)) == 2 or None, 60)
    for manifest in policies:
        cluster.apply(manifest)
    cluster.apply(labelled(team="settlers"))
    first = {next(iter(case.breaks)): case.object for case in CASES if len(case.breaks) == 1}
    for item in first.values():
        # A policy counts a moment after it was made.
        again = {**item, "metadata": {**item["metadata"], "name": "anew"}}
        wait_for(f"a refusal of {item['kind']}", lambda again=again: not create(cluster, again).is_success or None, 60)
    try:
        yield cluster
    finally:
        for manifest in reversed(policies):
            cluster.delete(cluster.path_of(manifest))
        leave(cluster)
        if not knew_routes:
            cluster.delete(cluster.path_of(ROUTES))


def leave(cluster: Cluster) -> None:
    """Take what holds on to its finalizer, then all of it."""
    for case in CASES:
        patch(cluster, case.object, {"metadata": {"finalizers": None}})
    cluster.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def create(cluster: Cluster, item: Json) -> httpx.Response:
    """Try to make an object."""
    path = cluster.path_of(item).rpartition("/")[0]
    return cluster.request("POST", path, params={"dryRun": "All"}, json=item)


def patch(cluster: Cluster, item: Json, change: Json, *, subresource: str = "", dry: bool = False) -> httpx.Response:
    return cluster.request(
        "PATCH",
        cluster.path_of(item) + subresource,
        params={"dryRun": "All"} if dry else {},
        json=change,
        headers={"Content-Type": "application/merge-patch+json"},
    )


def pods(cluster: Cluster, app: str) -> list[Json]:
    return [pod for pod in cluster.pods(NAMESPACE) if pod["metadata"].get("labels", {}).get("app") == app]


def sets(cluster: Cluster, app: str) -> list[Json]:
    """The ReplicaSets of a Deployment."""
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets?labelSelector=app%3D{app}"
    return list((cluster.get(path) or {})["items"])


def said(answer: httpx.Response) -> str:
    return str(answer.json().get("message", "")) if answer.is_error else ""


def test_old_objects_may_stay_and_may_not_change_into_other_bad_ones(guarded: Cluster) -> None:
    wrong: list[str] = []
    judged = 0
    for case in CASES:
        old = case.object
        for change in harmless(old):
            if words := said(patch(guarded, old, change, dry=True)):
                wrong.append(f"{case.id}: {change} is refused: {words}")
        if old["kind"] in MADE_ONCE:
            continue
        judged += 1
        change = touched(old)
        words = said(patch(guarded, old, change, dry=True))
        expected = [violation.message for violation in CHECK.check([merged(old, change)])]
        if not any(message in words for message in expected):
            wrong.append(f"{case.id}: {change} is answered {words or 'yes'}, not {expected}")
        anew = {**old, "metadata": {**old["metadata"], "name": "anew"}}
        if not any(violation.message in said(create(guarded, anew)) for violation in CHECK.check([anew])):
            wrong.append(f"{case.id}: may be made anew")
    assert wrong == []
    print(f"{len(CASES)} old objects left alone, {judged} refused as soon as they change, in the words of the check")


def test_an_old_service_is_scaled_and_kept_but_gets_no_other_image(guarded: Cluster) -> None:
    old = workload()
    assert patch(guarded, old, {"metadata": {"annotations": {"example.com/seen": "yes"}}}).is_success
    assert patch(guarded, old, {"metadata": {"finalizers": ["example.com/wait"]}}).is_success
    assert patch(guarded, old, {"metadata": {"finalizers": None}}).is_success
    assert patch(guarded, old, {"spec": {"replicas": 1}}).is_success
    wait_for("one pod", lambda: len(pods(guarded, SERVICE)) == 1 or None, 60)
    assert patch(guarded, old, {"spec": {"replicas": 0}}, subresource="/scale").is_success
    wait_for("no pod", lambda: not pods(guarded, SERVICE) or None, 60)
    (before,) = sets(guarded, SERVICE)
    assert before["spec"]["replicas"] == 0

    image = {**CONTAINER, "image": "registry.example.com/settlers/homestead:1.1.0"}
    change = {"spec": {"template": {"spec": {"containers": [image]}}}}
    refused = patch(guarded, old, change)
    assert refused.status_code == 422
    messages = [violation.message for violation in CHECK.check([merged(old, change)])]
    assert any(message in said(refused) for message in messages)
    # Other pods of the same template are made anew, and would be refused one by one: it is said here.
    restart = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
    assert any(message in said(patch(guarded, old, restart)) for message in messages)


def test_labels_are_asked_for_by_whoever_sets_labels(guarded: Cluster) -> None:
    old = workload()
    assert "lacks the label" in said(patch(guarded, old, {"metadata": {"labels": {"tier": "web"}}}, dry=True))
    both = {"app.kubernetes.io/name": SERVICE, "team": "settlers"}
    assert patch(guarded, old, {"metadata": {"labels": both}}).is_success
    assert "lacks the label" in said(patch(guarded, old, {"metadata": {"labels": {"team": None}}}))


def test_what_is_put_into_an_old_pod_is_judged_whole(guarded: Cluster) -> None:
    pod = named("v1", "Pod", "hermit")
    debug = {"name": "debug", "image": "registry.example.com/settlers/debug:1.0.0"}
    answer = patch(guarded, pod, {"spec": {"ephemeralContainers": [debug]}}, subresource="/ephemeralcontainers")
    assert answer.status_code == 422
    assert "docs/guardrails#" in said(answer)
    assert patch(guarded, pod, {"metadata": {"finalizers": ["example.com/wait"]}}).is_success
    assert patch(guarded, pod, {"metadata": {"finalizers": None}}).is_success
    assert patch(guarded, pod, {"status": {"message": "well"}}, subresource="/status").is_success


def test_a_pod_cannot_lose_its_limits_while_it_runs(guarded: Cluster) -> None:
    """The policies are not asked about `pods/resize`: the API server itself lets nothing be taken away there."""
    (good,) = (case.object for case in corpus() if case.id == "good: no init containers, Pod")
    pod = {**good, "metadata": {**good["metadata"], "namespace": NAMESPACE, "name": "sized"}}
    guarded.apply(pod)
    (container,) = good["spec"]["containers"]
    for resources in ({}, {"limits": {"memory": None}}, {"requests": {"cpu": None}}):
        change = {"spec": {"containers": [{"name": container["name"], "resources": resources}]}}
        path = f"{guarded.path_of(pod)}/resize"
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        guarded.request("PATCH", path, json=change, headers=headers)
        (kept,) = (guarded.get(guarded.path_of(pod)) or {})["spec"]["containers"]
        assert kept["resources"] == container["resources"], resources


def test_the_api_server_understands_the_types_of_every_expression(guarded: Cluster) -> None:
    for manifest in admission_policies(POLICIES):
        if manifest["kind"] == "ValidatingAdmissionPolicy":
            path = guarded.path_of(manifest)

            def checked(path: str = path) -> Json | None:
                return ((guarded.get(path) or {}).get("status") or {}).get("typeChecking")

            status = wait_for(f"the types of {path}", checked, 60)
            assert not status.get("expressionWarnings"), (path, status)


def test_a_claim_is_given_its_volume_by_the_cluster_and_by_nobody_else(guarded: Cluster) -> None:
    """While it waits the API server would take the name of any volume, once; Argo CD would write it from a repository."""
    room = {"accessModes": ["ReadWriteOnce"], "storageClassName": "attic"}
    spec = {**room, "resources": {"requests": {"storage": "1Gi"}}}
    waiting, bound = (named("v1", "PersistentVolumeClaim", name, spec=spec) for name in ("waiting", "bound"))
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "homestead-attic"},
        "spec": {**room, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/attic"}},
    }
    guarded.apply(waiting)
    refused = patch(guarded, waiting, {"spec": {"volumeName": "pv-of-another-team"}})
    assert "docs/guardrails#claims" in said(refused)
    guarded.apply(bound)
    guarded.apply({**volume, "spec": {**volume["spec"], "claimRef": {"namespace": NAMESPACE, "name": "bound"}}})
    try:
        path = guarded.path_of(bound)
        wait_for("the binding", lambda: (guarded.get(path) or {})["status"].get("phase") == "Bound" or None, 60)
        stored = guarded.get(path) or {}
        assert stored["spec"]["volumeName"] == "homestead-attic"
        assert patch(guarded, bound, {"metadata": {"labels": {"kept": "yes"}}}).is_success
    finally:
        for item in (waiting, bound):
            guarded.request("DELETE", guarded.path_of(item))
        guarded.delete(guarded.path_of(volume))


def test_what_closes_a_namespace_goes_with_it_and_not_before(guarded: Cluster) -> None:
    namespace, api = "cloister", "networking.k8s.io/v1"
    labels = {"team": "settlers"}
    guarded.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    made = [
        {"apiVersion": api, "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": closed}
        for name in ("default-deny", "own")
    ]
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "team-edit", "namespace": namespace},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "settlers"}],
    }
    for item in (*made, binding):
        guarded.apply(item)
    team: Json = {"user": "ada", "groups": ["settlers"]}

    def refusal() -> str | None:
        return said(guarded.request("DELETE", guarded.path_of(made[0]), params={"dryRun": "All"}, **team)) or None

    assert "NetworkPolicy is what closes the namespace" in wait_for("a refusal", refusal, 60)
    everything = guarded.request(
        "DELETE", guarded.path_of(made[0]).rpartition("/")[0], params={"dryRun": "All"}, **team
    )
    assert "docs/guardrails#kept" in said(everything)
    assert guarded.request("DELETE", guarded.path_of(made[1]), **team).is_success
    # The controller of namespaces is not asked.
    guarded.delete(f"/api/v1/namespaces/{namespace}")


def test_a_controller_that_lets_go_is_not_held(guarded: Cluster) -> None:
    """The ReplicaSet has no labels but its pods', and lost the owner that was asked instead."""
    deployment = workload(LEFT)
    path = guarded.path_of(deployment)
    (owned,) = sets(guarded, LEFT)
    assert owned["metadata"]["ownerReferences"]
    orphaning = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    assert guarded.request("DELETE", path, json=orphaning).is_success
    wait_for("the end of the Deployment", lambda: True if guarded.get(path) is None else None, 60)
    (orphan,) = sets(guarded, LEFT)
    assert not orphan["metadata"].get("ownerReferences")
    assert orphan["metadata"]["uid"] == owned["metadata"]["uid"]


def test_a_good_version_takes_the_place_of_the_old(guarded: Cluster) -> None:
    """The Deployment's controller scales the old ReplicaSet down, to nothing."""
    (good,) = (case.object for case in corpus() if case.id == "good: plain, Deployment")
    labels = {**good["metadata"]["labels"], "app": RENEWED}
    template = {"metadata": {"labels": labels}, "spec": good["spec"]["template"]["spec"]}
    hardened = merged(workload(RENEWED), {"metadata": {"labels": labels}, "spec": {"template": template}})
    assert CHECK.check([hardened]) == []
    before = pods(guarded, RENEWED)
    (old,) = sets(guarded, RENEWED)
    assert len(before) == old["spec"]["replicas"] == 2
    assert patch(guarded, hardened, {"metadata": {"labels": labels}, "spec": hardened["spec"]}).is_success

    def finished() -> Json | None:
        found = guarded.get(guarded.path_of(hardened)) or {}
        status = found["status"]
        is_seen = status.get("observedGeneration") == found["metadata"]["generation"]
        return status if is_seen and status.get("updatedReplicas") == status.get("replicas") == 2 else None

    status = wait_for("the end of the rollout", finished, 90)
    assert status["availableReplicas"] == 2
    left = {each["metadata"]["uid"]: each["spec"]["replicas"] for each in sets(guarded, RENEWED)}
    assert left.pop(old["metadata"]["uid"]) == 0
    assert list(left.values()) == [2]
    names = {pod["metadata"]["name"] for pod in before}
    assert not names & {pod["metadata"]["name"] for pod in pods(guarded, RENEWED)}
    # There is no way back to what the rules refuse.
    back = patch(guarded, hardened, {"spec": {"template": workload(RENEWED)["spec"]["template"]}}, dry=True)
    assert "docs/guardrails#" in said(back)
