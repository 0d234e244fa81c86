"""Platform in the box, in one go: what a team meets from its first day to its figures, with everything real.

A service process with sign-in runs the shipped templates, started over HTTP as the page does. Merges in Gitea are all that
happens beside it; Argo CD applies, the cluster has the guardrails as policies. What came of it is asked of the API server.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.cluster.bench import Platform
from tests.cluster.bench.definitions import claim_definition, install
from tests.cluster.bench.process import wait_for
from tests.cluster.bench.teams import root_application
from tests.cluster.walk import Walk
from tests.portal.service import run_template, run_understage

from understage.integrations.policies import admission_policies, read_policies
from understage.sdk.yaml import dump, parse_documents

Json = dict[str, Any]
SKELETONS = Path(__file__).parents[2] / "skeletons"
TEAM, SERVICE, ADOPTED, CLONE = "pathfinders", "compass", "sextant", "atlas"
OWNER, COMPONENT = f"group:default/{TEAM}", f"component:default/{SERVICE}"
GITOPS = ("cartographers", "gitops")
ROOT = "cartography"
FOLDER = f"infrastructure/teams/{TEAM}"
HERE, THERE, CLONED, LIVE = f"{SERVICE}-development", f"{SERVICE}-production", f"clone-{CLONE}", f"{ADOPTED}-live"
CLAIM = "/apis/database.understage.io/v1alpha1/namespaces/{}/postgresqlinstances/compass-db"
PRIVILEGED = {
    "name": "debug",
    "image": "registry.example.com/pathfinders/debug:1.0.0",
    "securityContext": {"privileged": True},
}
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


@pytest.fixture
def walk(platform: Platform, external_secrets: None, tmp_path: Path) -> Iterator[Walk]:
    """Argo CD over the folder of teams, policies in the cluster, a service that runs already, and `understage up`."""
    gitea, cluster = platform.gitea, platform.cluster
    for organization in (TEAM, GITOPS[0]):
        gitea.create_organization(organization)
    gitea.create_repository(*GITOPS)
    gitea.commit(*GITOPS, {"infrastructure/README.md": "# What runs where\n"}, "Begin")
    gitea.settle()
    start_what_ran_before(platform)
    claims = claim_definition()
    knew_claims = cluster.get(cluster.path_of(claims)) is not None
    install(cluster, claims)
    policies = admission_policies(read_policies(SKELETONS / "policies" / "rules.yaml"))
    for manifest in policies:
        cluster.apply(manifest)
    cluster.apply(root_application(platform, GITOPS, name=ROOT))
    try:
        with run_understage(tmp_path, write_config(platform, tmp_path)) as url:
            yield Walk(platform, url, GITOPS, ROOT)
    finally:
        for manifest in reversed(policies):
            cluster.delete(cluster.path_of(manifest))
        leave(platform)
        if not knew_claims:
            cluster.delete(cluster.path_of(claims))


def write_config(platform: Platform, folder: Path) -> Path:
    """What connects the service to the bench; what it does now and then, it does often."""
    config = platform.app_config()
    config["understage"] |= {
        "gitops": {"repoUrl": f"{platform.gitea.host}?owner={GITOPS[0]}&repo={GITOPS[1]}"},
        "vault": {"server": "https://vault.example.com:8200"},
        "environments": {"expireEvery": {"seconds": 3}},
        "measures": {"frequency": {"seconds": 1}},
    }
    file = folder / "platform.yaml"
    file.write_text(dump(config))
    return file


def live_namespace(**labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LIVE, "labels": labels}}


def start_what_ran_before(platform: Platform) -> None:
    """A service that its team applied by hand, before there were guardrails."""
    platform.gitea.create_repository(TEAM, ADOPTED)
    platform.gitea.commit(TEAM, ADOPTED, {"k8s/all.yaml": RUNNING}, "Run it")
    platform.cluster.apply(live_namespace())
    for document in parse_documents(RUNNING):
        platform.cluster.apply({**document.value, "metadata": {**document.value["metadata"], "namespace": LIVE}})
    wait_for("what ran before", lambda: len(platform.cluster.pods(LIVE)) == 2 or None, 60)


def leave(platform: Platform) -> None:
    """Take away what would go on looking at this test's repositories."""
    cluster = platform.cluster
    objects = f"/apis/argoproj.io/v1alpha1/namespaces/{platform.argocd.namespace}"
    cluster.delete(f"{objects}/applications/{ROOT}")
    cluster.delete(f"{objects}/applicationsets/{TEAM}")
    for name in (HERE, THERE, f"{SERVICE}-{CLONED}", f"{ADOPTED}-production"):
        cluster.delete(f"{objects}/applications/{name}", seconds=90)
    for name in (TEAM, HERE, THERE, CLONED, LIVE):
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.mark.timeout(600)
def test_from_a_new_team_to_its_measures(walk: Walk) -> None:
    nobody_gets_in(walk)
    make_team(walk)
    started = make_service(walk)
    be_refused_by_the_guardrails(walk)
    make_database(walk)
    clone_and_expire(walk)
    go_to_production(walk)
    adopt(walk)
    be_measured(walk, started)


def nobody_gets_in(walk: Walk) -> None:
    order = {"templateRef": "template:default/new-team", "values": {"name": TEAM}}
    refused = httpx.post(f"{walk.url}/api/scaffolder/v2/tasks", json=order, trust_env=False, timeout=30)
    assert refused.status_code == 401


def make_team(walk: Walk) -> None:
    asked = {"title": "Pathfinders", "newUsers": [{"name": "ada"}], "environment": "development"}
    ended = walk.run("new-team", name=TEAM, **asked)
    assert walk.cluster.get(f"/api/v1/namespaces/{TEAM}") is None
    assert walk.gitea.read(*GITOPS, f"{FOLDER}/namespace.yaml") is None

    walk.merge_of(ended, "Pull request")
    walk.see(f"/api/v1/namespaces/{TEAM}")
    quota = walk.see(f"/api/v1/namespaces/{TEAM}/resourcequotas/quota")
    assert quota["spec"]["hard"]["limits.cpu"] == "20"
    argo = f"/apis/argoproj.io/v1alpha1/namespaces/{walk.argocd.namespace}"
    project = walk.see(f"{argo}/appprojects/{TEAM}")
    assert project["spec"]["destinations"] == [{"server": walk.argocd.destination, "namespace": TEAM}]
    walk.see(f"{argo}/applicationsets/{TEAM}")
    walk.see(f"/apis/networking.k8s.io/v1/namespaces/{TEAM}/networkpolicies/default-deny")
    store = walk.see(f"/apis/external-secrets.io/v1/namespaces/{TEAM}/secretstores/vault")
    assert store["spec"]["provider"]["vault"]["auth"]["kubernetes"]["role"] == TEAM
    (location,) = [each["data"] for each in walk.ask("/api/catalog/locations") if f"/{TEAM}/" in each["data"]["target"]]
    # It would be read again within minutes; a webhook of the forge says so at once.
    walk.order("/api/catalog/refresh", {"entityRef": location["entityRef"]})
    wait_for("the team in the catalog", lambda: walk.entity("group", TEAM), 60)
    walk.tell("the team is there")


def make_service(walk: Walk) -> datetime:
    """A service in development; when its task was made."""
    ended = walk.run(
        "new-service",
        name=SERVICE,
        description="Which way is north",
        owner=OWNER,
        language="python",
        environment="development",
        imageRegistry="registry.example.com",
    )
    assert ended.text("Argo CD makes it").startswith(f"What team {TEAM} has comes from {walk.gitea.url}")
    assert "a month" in ended.text("What it costs")
    walk.see(f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{HERE}")
    walk.argocd.wait_for_application(HERE)
    made = walk.deployment(HERE, SERVICE)
    assert made["metadata"]["labels"].items() >= {"team": TEAM, "environment": "development"}.items()
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/{TEAM}/{SERVICE}:0.1.0"
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}
    assert wait_for("two pods", lambda: len(walk.cluster.pods(HERE)) == 2 or None, 60)
    walk.see(f"/apis/external-secrets.io/v1/namespaces/{HERE}/secretstores/vault")
    walk.see(f"/api/v1/namespaces/{HERE}/configmaps/dashboard-service-{SERVICE}")
    application = walk.argocd.application(HERE) or {}
    assert application["spec"]["project"] == TEAM
    assert application["spec"]["source"]["path"] == "deploy"
    walk.tell("the service runs in development")
    return datetime.fromisoformat(ended.created_at)


def be_refused_by_the_guardrails(walk: Walk) -> None:
    """The same container, by the way out of the chart and by hand."""
    before = walk.gitea.tree(*GITOPS)
    ended = run_template(
        walk.url,
        "clone-environment",
        {**clone_values("commit"), "values": {SERVICE: {"extraContainers": [PRIVILEGED]}}},
    )
    assert ended.status == "failed"
    said = ended.error.removeprefix("InputError: ")
    assert said.startswith("The cluster would refuse this: ")
    messages = said.removeprefix(f"The cluster would refuse this: Deployment {SERVICE}: ").split(
        f"; Deployment {SERVICE}: "
    )
    assert any("limits" in message and "debug" in message for message in messages)
    assert walk.gitea.tree(*GITOPS) == before
    assert walk.cluster.get(f"/api/v1/namespaces/{CLONED}") is None

    path = f"/apis/apps/v1/namespaces/{HERE}/deployments/{SERVICE}"
    known = walk.deployment(HERE, SERVICE)
    change = {"spec": {"template": {"spec": {"containers": [PRIVILEGED]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    refused = walk.cluster.request("PATCH", path, user="ada", groups=[TEAM], json=change, headers=headers)
    assert refused.status_code == 422, refused.text
    assert any(message in refused.json()["message"] for message in messages), (messages, refused.text)
    assert walk.deployment(HERE, SERVICE)["metadata"]["generation"] == known["metadata"]["generation"]
    walk.tell(f"refused twice in the same words: {messages[0]}")


def make_database(walk: Walk) -> None:
    ended = walk.run(
        "new-database",
        service=COMPONENT,
        owner=OWNER,
        environment="development",
        size="small",
        ttl="",
        backups=True,
        engine="crossplane",
        pullRequest=True,
    )
    assert walk.cluster.get(CLAIM.format(HERE)) is None
    walk.merge_of(ended, "Pull request of the database")
    claim = walk.see(CLAIM.format(HERE))
    assert claim["spec"]["parameters"]["memory"] == "512Mi"
    walk.merge_of(ended, "Pull request of the service")

    def connected() -> bool | None:
        walk.look_again(HERE)
        (container,) = walk.deployment(HERE, SERVICE)["spec"]["template"]["spec"]["containers"]
        return "compass-db-app" in str(container.get("envFrom")) or None

    wait_for("the service's connection", connected, 120)
    walk.argocd.wait_for_application(HERE)
    walk.tell("the service has its database")


def clone_values(what: str) -> Json:
    return {
        "source": COMPONENT,
        "from": "development",
        "team": OWNER,
        "name": CLONE,
        "ttl": "1h",
        "values": {},
        "storedSecrets": [],
        "sharedHosts": [],
        "what": what,
    }


def clone_and_expire(walk: Walk) -> None:
    """A clone is made, its owner ends it, and the service removes all of it and nothing else."""
    touched = [
        walk.cluster.get(f"/api/v1/namespaces/{HERE}"),
        walk.deployment(HERE, SERVICE),
        walk.see(CLAIM.format(HERE)),
    ]
    before = walk.gitea.tree(*GITOPS)
    ended = walk.run("clone-environment", **clone_values("commit"))
    assert "a month, for as long as it lives" in ended.text("What it costs")
    namespace = walk.see(f"/api/v1/namespaces/{CLONED}")
    assert namespace["metadata"]["annotations"]["understage.io/owner"] == "user:default/guest"
    assert datetime.fromisoformat(namespace["metadata"]["annotations"]["understage.io/expires-at"]) > datetime.now(UTC)
    walk.see(CLAIM.format(CLONED))
    assert wait_for("the clone's pod", lambda: len(walk.cluster.pods(CLONED)) == 1 or None, 120)
    made = walk.gitea.tree(*GITOPS) - before
    assert {path.rpartition("/")[0] for path in made} == {f"{FOLDER}/clones/{CLONE}"}
    walk.tell("the clone runs")

    file = f"{FOLDER}/clones/{CLONE}/environment.yaml"
    # The annotation; the label beside it has the basic form, without hyphens.
    text, count = re.subn(r"\d{4}-\d{2}-\d{2}T[0-9:]+Z", "2026-01-01T00:00:00Z", walk.of_git(file))
    assert count
    walk.gitea.commit(*GITOPS, {file: text}, "End it")
    wait_for("the end in Git", lambda: walk.gitea.tree(*GITOPS) == before or None, 60)
    argo = f"/apis/argoproj.io/v1alpha1/namespaces/{walk.argocd.namespace}"
    walk.miss(f"{argo}/applications/{SERVICE}-{CLONED}")
    walk.miss(f"/api/v1/namespaces/{CLONED}")
    walk.miss(f"{argo}/appprojects/{CLONED}")
    assert walk.cluster.get(CLAIM.format(CLONED)) is None
    assert walk.cluster.pods(CLONED) == []
    left = [
        walk.cluster.get(f"/api/v1/namespaces/{HERE}"),
        walk.deployment(HERE, SERVICE),
        walk.see(CLAIM.format(HERE)),
    ]
    assert [item and item["metadata"]["uid"] for item in left] == [item and item["metadata"]["uid"] for item in touched]
    walk.tell("nothing is left of the clone")


def go_to_production(walk: Walk) -> None:
    """By Git alone: the next environment is what the first is, under its own name."""
    values = walk.gitea.read(TEAM, SERVICE, "deploy/environments/development.yaml") or ""
    # Its database is the development's.
    production = yaml.safe_load(values.replace("development", "production"))
    production["base-service"].pop("envFrom", None)
    walk.gitea.commit(TEAM, SERVICE, {"deploy/environments/production.yaml": dump(production)}, "Add production")
    project = yaml.safe_load(walk.of_git(f"{FOLDER}/project.yaml"))
    project["spec"]["destinations"].append({"server": walk.argocd.destination, "namespace": THERE})
    files = {f"{FOLDER}/project.yaml": dump(project)}
    for folder in ("namespaces", "applications"):
        text = walk.of_git(f"{FOLDER}/{folder}/{HERE}.yaml")
        files[f"{FOLDER}/{folder}/{THERE}.yaml"] = text.replace("development", "production")
    walk.gitea.commit(*GITOPS, files, "Go to production")
    walk.see(f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{THERE}")
    walk.argocd.wait_for_application(THERE)
    assert walk.deployment(THERE, SERVICE)["metadata"]["labels"]["environment"] == "production"
    status = walk.ask(f"/api/understage/services/{SERVICE}/status")
    assert (status["healthy"], status["complete"], status["team"]) == (True, True, TEAM)
    assert [each["environment"] for each in status["environments"]] == ["development", "production"]
    walk.tell("the service runs in production")


def adopt(walk: Walk) -> None:
    """What ran before goes on under Argo CD and base-service, hardened, so that its namespace can come under the guardrails."""
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
        return (len(now) == 2 and not now & before) or None

    wait_for("hardened pods", replaced, 120)
    walk.cluster.apply(live_namespace(team=TEAM))
    change = {"spec": {"template": {"spec": {"containers": [PRIVILEGED]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    path = f"/apis/apps/v1/namespaces/{LIVE}/deployments/{ADOPTED}"

    def refused() -> bool | None:  # a moment after the label was set
        answer = walk.cluster.request("PATCH", path, params={"dryRun": "All"}, json=change, headers=headers)
        return (answer.status_code == 422 and "docs/guardrails#" in answer.text) or None

    wait_for("the guardrails of the adopted service", refused, 60)
    location = f"{walk.gitea.url}/{TEAM}/{ADOPTED}/src/branch/main/catalog-info.yaml"
    walk.order("/api/catalog/locations", {"type": "url", "target": location})
    walk.tell("what ran before is adopted")


def be_measured(walk: Walk, started: datetime) -> None:
    """The figures are those of Argo CD's own history."""
    status = (walk.argocd.application(THERE) or {})["status"]
    (deployment,) = status["history"]
    deployed = datetime.fromisoformat(deployment["deployedAt"])
    healthy = datetime.fromisoformat(status["health"]["lastTransitionTime"])
    reached = (max(deployed, healthy) - started).total_seconds()
    begin, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-12, 12))
    period = f"from={begin:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"

    def measured(service: str) -> Json | None:
        found = walk.ask(f"/api/understage/measures?service={service}&{period}")["measures"]
        return found if found["timeToProduction"]["count"] else None

    found = wait_for("the measures", lambda: measured(SERVICE), 60)
    assert found["timeToProduction"]["medianSeconds"] == pytest.approx(reached, abs=1)
    assert found["deploymentFrequency"]["deployments"] == 1
    assert found["changeFailureRate"] == {"deployments": 1, "failed": 0, "rate": 0}
    commit = walk.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/git/commits/{deployment['revision']}").json()
    committed = datetime.fromisoformat(commit["commit"]["committer"]["date"])
    assert found["leadTime"]["medianSeconds"] == (deployed - committed).total_seconds()
    wait_for("what was adopted in the catalog", lambda: walk.entity("component", ADOPTED), 60)
    adopted = wait_for("the measures of what was adopted", lambda: measured(ADOPTED), 60)
    assert adopted["deploymentFrequency"]["deployments"] == 1
    both = walk.ask(f"/api/understage/measures?team={TEAM}&{period}")["measures"]
    assert both["deploymentFrequency"]["deployments"] == 2
    walk.tell(f"measured: {reached:.0f} s from the form to production")
