"""A team, its service in development, its database, and production: each by a form and a merge, or by Git alone."""

from datetime import datetime

import httpx
import yaml
from tests.cluster.bench.process import wait_for
from tests.cluster.walk.names import CLAIM, COMPONENT, FOLDER, GITOPS, HERE, OWNER, SERVICE, TEAM, THERE
from tests.cluster.walk.walker import Walk

from understage.sdk.yaml import dump


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
    told = walk.command("service", "status", SERVICE)
    assert [each["application"]["health"] for each in told["environments"]] == ["Healthy", "Healthy"]
    walk.tell("the service runs in production")
