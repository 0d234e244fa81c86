"""A service that its team applied by hand comes under Argo CD, the chart and the guardrails."""

from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for
from tests.cluster.walk.names import ADOPTED, LIVE, OWNER, PRIVILEGED, TEAM, Json
from tests.cluster.walk.walker import Walk

from understage.sdk.yaml import parse_documents

RUNNING = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: sextant}
spec:
  replicas: 2
  selector: {matchLabels: {app: sextant}}
  template:
    metadata: {labels: {app: sextant}}
    spec:
      containers:
        - name: main
          image: registry.example.com/pathfinders/sextant:1.0.0
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: sextant}
spec:
  selector: {app: sextant}
  ports: [{port: 80, targetPort: 8080}]
"""


def live_namespace(**labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LIVE, "labels": labels}}


def start_what_ran_before(platform: Platform) -> None:
    """A service that its team applied by hand, in a namespace that nobody had put under guardrails."""
    platform.gitea.create_repository(TEAM, ADOPTED)
    platform.gitea.commit(TEAM, ADOPTED, {"k8s/all.yaml": RUNNING}, "Run it")
    platform.cluster.apply(live_namespace())
    for document in parse_documents(RUNNING):
        platform.cluster.apply({**document.value, "metadata": {**document.value["metadata"], "namespace": LIVE}})
    wait_for("what ran before", lambda: len(platform.cluster.pods(LIVE)) == 2 or None, 60)


def sets_of(walk: Walk) -> list[Json]:
    """The ReplicaSets of what is adopted."""
    return list((walk.cluster.get(f"/apis/apps/v1/namespaces/{LIVE}/replicasets") or {})["items"])


def adopt(walk: Walk) -> None:
    """What ran before goes on under Argo CD and base-service, hardened, in a namespace that came under the guardrails before.

    They leave what ran alone, so that its controller can scale it down.
    """
    (old,) = sets_of(walk)
    before, uid = {pod["metadata"]["uid"] for pod in walk.cluster.pods(LIVE)}, walk.deployment(LIVE, ADOPTED)
    ended = walk.run(
        "adopt-service",
        repoUrl=f"{walk.gitea.host}?owner={TEAM}&repo={ADOPTED}",
        path=".",
        owner=OWNER,
        environment="production",
        namespace=LIVE,
        pods="values",
        gateway="",
    )
    assert walk.gitea.read(TEAM, ADOPTED, "deploy/Chart.yaml") is None
    walk.merge_of(ended, "Pull request of the service, with the report")
    walk.merge_of(ended, "Pull request of the GitOps repository, to be merged second")
    walk.see(f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{ADOPTED}-production")
    walk.argocd.wait_for_application(f"{ADOPTED}-production")
    taken = walk.deployment(LIVE, ADOPTED)
    assert taken["metadata"]["uid"] == uid["metadata"]["uid"]
    assert taken["metadata"]["labels"]["helm.sh/chart"].startswith("base-service-")
    (container,) = taken["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]

    def replaced() -> bool | None:
        now = {pod["metadata"]["uid"] for pod in walk.cluster.pods(LIVE)}
        status = walk.deployment(LIVE, ADOPTED)["status"]
        counts = [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        return (len(now) == 2 and not now & before and counts == [2, 2, 2]) or None

    wait_for("hardened pods", replaced, 120)
    left = {each["metadata"]["uid"]: each["spec"]["replicas"] for each in sets_of(walk)}
    assert left.pop(old["metadata"]["uid"]) == 0
    assert list(left.values()) == [2]
    change = {"spec": {"template": {"spec": {"containers": [PRIVILEGED]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    path = f"/apis/apps/v1/namespaces/{LIVE}/deployments/{ADOPTED}"
    answer = walk.cluster.request("PATCH", path, params={"dryRun": "All"}, json=change, headers=headers)
    assert answer.status_code == 422, answer.text
    assert "docs/guardrails#" in answer.text
    location = f"{walk.gitea.url}/{TEAM}/{ADOPTED}/src/branch/main/catalog-info.yaml"
    walk.order("/api/catalog/locations", {"type": "url", "target": location})
    walk.tell("what ran before is adopted")
