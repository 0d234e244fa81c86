"""By Git alone what begins with a service that runs: the CI job of the guide, with the addresses and rights that the guide names.

The job reaches a catalog (`understage serve`: there is no page), Argo CD and the cluster by accounts that have what `rights/` of
the example gives them, and no more. Team and service come by requests, too. What came of it is asked of forge and API server.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.bench import Platform, data_folder
from tests.cluster.bench.cluster import write_kubeconfig
from tests.cluster.bench.definitions import claim_definition, install
from tests.cluster.bench.process import wait_for
from tests.cluster.bench.teams import root_application
from tests.cluster.by_git import CHECK, EXAMPLE, RUN, Requests
from tests.cluster.walk.walker import Walk
from tests.contract.backend import Backend, UnderstageBackend, free_port, write_overlay
from tests.docs.markdown import ROOT as REPOSITORY

from understage.sdk.yaml import dump

Json = dict[str, Any]
TEAM, SERVICE, CLONE = "menders", "bellows", "kiln"
OWNER, COMPONENT = f"group:default/{TEAM}", f"component:default/{SERVICE}"
GITOPS, ROOT = ("smithy", "gitops"), "smithy"
FOLDER = f"infrastructure/teams/{TEAM}"
STAGING, PRODUCTION, CLONED = f"{SERVICE}-staging", f"{SERVICE}-production", f"clone-{CLONE}"
IMAGE = f"registry.example.com/{TEAM}/{SERVICE}"
TOKEN = "of-the-job-that-runs-requests"
CLAIM = "/apis/database.understage.io/v1alpha1/namespaces/{}/postgresqlinstances/{}-db"


class Job:
    """The CI job beside a platform: what it is asked for, and the eyes of whoever stands outside."""

    def __init__(self, requests: Requests, walk: Walk, catalog: Backend) -> None:
        self.requests, self.walk, self.catalog = requests, walk, catalog
        self.gitea, self.cluster, self.argocd = walk.gitea, walk.cluster, walk.argocd

    def run(self, template: str, **values: Any) -> None:
        """A pull request with a request, and its merge: what is checked makes nothing, what is merged is run."""
        self.requests.ask(template, f"{template}-{values.get('name', SERVICE)}", values)
        self.requests.commit(f"Ask for {template}")
        before = self.everything()
        checked = self.requests.run(CHECK)
        assert checked.returncode == 0, checked.stdout
        assert self.everything() == before
        done = self.requests.run(RUN)
        assert done.returncode == 0, done.stdout
        told = checked.stdout + done.stdout
        assert not [name for name, secret in self.secrets().items() if secret in told]
        self.walk.tell(f"{template} by Git")

    def secrets(self) -> dict[str, str]:
        return {name: value for name, value in self.requests.environment.items() if name.endswith("_TOKEN")}

    def everything(self) -> Any:
        """What a run could change: branches and pull requests of both repositories, the catalog, Applications."""
        repositories = (GITOPS, (TEAM, SERVICE))
        found = [
            [self.gitea.request("GET", f"/repos/{owner}/{name}/{what}").text for what in ("branches", "pulls")]
            for owner, name in repositories
        ]
        applications = self.cluster.get("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications") or {}
        names = {each["metadata"]["name"] for each in applications["items"]}
        return found, names, len(self.entities("kind=location"))

    def entities(self, query: str) -> list[Json]:
        """What the catalog has."""
        answer = self.catalog.request("GET", f"/api/catalog/entities?filter={query}", token=TOKEN)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def opened(self, repository: tuple[str, str], title: str) -> Json:
        """The open pull request of this title."""
        pulls = self.gitea.request("GET", f"/repos/{'/'.join(repository)}/pulls?state=open").json()
        (found,) = [each for each in pulls if each["title"] == title]
        return dict(found)

    def changed(self, repository: tuple[str, str], pull: Json) -> list[str]:
        """The lines that a pull request takes away and adds."""
        diff = self.gitea.request("GET", f"/repos/{'/'.join(repository)}/pulls/{pull['number']}.diff").text
        return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    def release(self, environment: str, tag: str) -> None:
        """A release as a team makes it: a commit to the environment's values, which Argo CD deploys."""
        file = f"deploy/environments/{environment}.yaml"
        values = yaml.safe_load(self.gitea.read(TEAM, SERVICE, file) or "")
        values["base-service"]["image"] = {"tag": tag}
        self.gitea.commit(TEAM, SERVICE, {file: dump(values)}, f"Release {tag} to {environment}")
        self.runs(environment, tag)

    def runs(self, environment: str, tag: str) -> None:
        """Wait until the cluster has this image, and Argo CD says that all is well."""
        name = f"{SERVICE}-{environment}"

        def deployed() -> bool | None:
            self.walk.look_again(name)
            return self.image(name) == f"{IMAGE}:{tag}" or None

        wait_for(f"{tag} in {environment}", deployed, 120)
        self.argocd.wait_for_application(name)

    def image(self, namespace: str) -> str:
        (container,) = self.walk.deployment(namespace, SERVICE)["spec"]["template"]["spec"]["containers"]
        return str(container["image"])


@pytest.fixture(scope="module")
def job(platform: Platform, helm_binary: Path) -> Iterator[Job]:
    """A platform over which a team's service runs in staging and production, and the job with its accounts."""
    with ExitStack() as stack:
        folder = stack.enter_context(data_folder())
        prepare(platform, stack)
        requests = Requests(folder / "requests", platform.gitea, helm_binary)
        shutil.rmtree(requests.folder / "requests")
        config = requests.folder / "app-config.yaml"
        config.write_text(config.read_text().replace("owner=platform", f"owner={GITOPS[0]}"))
        catalog = stack.enter_context(running_catalog(platform, folder / "catalog"))
        requests.environment |= {
            "CATALOG_URL": f"{catalog.url}/api/catalog",
            "CATALOG_TOKEN": TOKEN,
            "ARGOCD_URL": platform.argocd.url,
            "ARGOCD_TOKEN": account_of_argocd(platform, stack),
            "KUBECONFIG": str(account_of_cluster(platform, folder)),
        }
        job = Job(requests, Walk(platform, catalog.url, GITOPS, ROOT), catalog)
        have_a_service(job)
        yield job


@contextmanager
def running_catalog(platform: Platform, folder: Path) -> Iterator[Backend]:
    """A service that reads the forge and knows the job's token."""
    port = free_port()
    backend = {
        "baseUrl": f"http://127.0.0.1:{port}",
        "listen": {"host": "127.0.0.1", "port": port},
        "database": {"connection": {"directory": str(folder)}},
    }
    own = {**platform.app_config(), "backend": backend, "understage": {"dataDirectory": str(folder)}}
    configs = [
        REPOSITORY / "app-config.yaml",
        write_overlay(folder / "app-config.yaml", own),
        EXAMPLE / "rights/catalog.yaml",
    ]
    with UnderstageBackend.running(folder, configs, port=port, environment={"CATALOG_TOKEN": TOKEN}) as catalog:
        yield catalog


def prepare(platform: Platform, stack: ExitStack) -> None:
    """The GitOps repository with Argo CD over it, and the definition of databases; taken away in the end."""
    gitea, cluster = platform.gitea, platform.cluster
    for organization in (TEAM, GITOPS[0]):
        gitea.create_organization(organization)
    gitea.create_repository(*GITOPS)
    gitea.commit(*GITOPS, {"infrastructure/README.md": "# What runs where\n"}, "Begin")
    gitea.settle()
    claims = claim_definition()
    if cluster.get(cluster.path_of(claims)) is None:
        install(cluster, claims)
        stack.callback(cluster.delete, cluster.path_of(claims))
    root = root_application(platform, GITOPS, name=ROOT)
    cluster.apply(root)
    stack.callback(leave, platform, cluster.path_of(root))


def leave(platform: Platform, root: str) -> None:
    """Take away what would go on looking at this test's repositories."""
    cluster = platform.cluster
    applications, _, _ = root.rpartition("/")
    cluster.delete(root)
    cluster.delete(f"{applications.removesuffix('applications')}applicationsets/{TEAM}")
    for name in (STAGING, PRODUCTION, f"{SERVICE}-{CLONED}"):
        cluster.delete(f"{applications}/{name}", seconds=90)
    for name in (TEAM, STAGING, PRODUCTION, CLONED):
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def account_of_argocd(platform: Platform, stack: ExitStack) -> str:
    """The token of the account that the example gives the job, added to the settings that there are."""
    patch = {"Content-Type": "application/merge-patch+json"}
    for manifest in yaml.safe_load_all((EXAMPLE / "rights/argocd.yaml").read_text()):
        path = platform.cluster.path_of(manifest)
        added = {"data": manifest["data"]}
        assert platform.cluster.request("PATCH", path, json=added, headers=patch).is_success
        gone = {"data": dict.fromkeys(manifest["data"])}
        stack.callback(platform.cluster.request, "PATCH", path, json=gone, headers=patch)

    def token() -> str | None:
        made = platform.argocd.request("POST", "/api/v1/account/requests/token", json={"name": "requests"})
        return str(made.json()["token"]) if made.is_success else None

    return wait_for("the account of the job", token, 30)


def account_of_cluster(platform: Platform, folder: Path) -> Path:
    """The kubeconfig of the account that the example gives the job."""
    for manifest in yaml.safe_load_all((EXAMPLE / "rights/cluster.yaml").read_text()):
        platform.cluster.apply(manifest)
    path = "/api/v1/namespaces/argocd/serviceaccounts/requests/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    made = platform.cluster.request("POST", path, json=asked)
    assert made.is_success, made.text
    token = made.json()["status"]["token"]
    return write_kubeconfig(folder / "kubeconfig", platform.cluster.url, "requests", token)


def have_a_service(job: Job) -> None:
    """By requests: a team, its service in staging; by a commit its next environment, as in `test_platform_walk`."""
    walk, gitea = job.walk, job.gitea
    job.run("new-team", name=TEAM, title="Menders", newUsers=[{"name": "hazel"}], environment="development")
    gitea.merge(*GITOPS, job.opened(GITOPS, f"Add team {TEAM}")["number"])
    projects = f"/apis/argoproj.io/v1alpha1/namespaces/{job.argocd.namespace}/appprojects"
    walk.see(f"{projects}/{TEAM}")
    job.run("new-service", name=SERVICE, language="go", owner=OWNER, environment="staging")
    walk.see(f"/apis/argoproj.io/v1alpha1/namespaces/{job.argocd.namespace}/applications/{STAGING}")
    wait_for("the service in the catalog", lambda: job.entities(f"metadata.name={SERVICE}") or None, 60)

    values = gitea.read(TEAM, SERVICE, "deploy/environments/staging.yaml") or ""
    there = {"deploy/environments/production.yaml": values.replace("staging", "production")}
    gitea.commit(TEAM, SERVICE, there, "Add production")
    project = yaml.safe_load(walk.of_git(f"{FOLDER}/project.yaml"))
    project["spec"]["destinations"].append({"server": walk.argocd.destination, "namespace": PRODUCTION})
    files = {f"{FOLDER}/project.yaml": dump(project)}
    for part in ("namespaces", "applications"):
        text = walk.of_git(f"{FOLDER}/{part}/{STAGING}.yaml")
        files[f"{FOLDER}/{part}/{PRODUCTION}.yaml"] = text.replace("staging", "production")
    gitea.commit(*GITOPS, files, "Go to production")
    walk.see(f"/apis/argoproj.io/v1alpha1/namespaces/{job.argocd.namespace}/applications/{PRODUCTION}")
    for environment in ("staging", "production"):
        job.runs(environment, "0.1.0")
    walk.tell("the service runs in both environments")


@pytest.mark.timeout(600)
def test_a_database_is_two_pull_requests(job: Job) -> None:
    """The catalog says where the service's repository is, the cluster which databases it has."""
    job.run(
        "new-database", service=COMPONENT, owner=OWNER, environment="staging", size="small", engine="auto", ttl="2w"
    )
    database = job.opened(GITOPS, f"Add a database for {SERVICE} in staging")
    claim = CLAIM.format(STAGING, SERVICE)
    assert job.cluster.get(claim) is None
    job.gitea.merge(*GITOPS, database["number"])
    made = job.walk.see(claim)
    assert made["spec"]["parameters"]["memory"] == "512Mi"
    assert made["metadata"]["labels"].items() >= {"team": TEAM, "environment": "staging"}.items()

    connection = job.opened((TEAM, SERVICE), "Connect to the database in staging")
    wired = ["+  envFrom:", "+  - prefix: DATABASE_", "+    secretRef:", f"+      name: {SERVICE}-db-app"]
    assert job.changed((TEAM, SERVICE), connection) == wired


@pytest.mark.timeout(600)
def test_what_runs_in_staging_is_promoted(job: Job) -> None:
    """Argo CD says what runs; the pull request is to production, and deploys nothing before it is merged."""
    job.release("staging", "0.2.0")
    job.run("promote-service", service=COMPONENT, owner=OWNER, **{"from": "staging", "to": "production"})
    pull = job.opened((TEAM, SERVICE), f"Promote {SERVICE} 0.2.0 from staging to production")
    assert "In staging it is Synced and Healthy since" in pull["body"]
    changed = job.changed((TEAM, SERVICE), pull)
    assert [line for line in changed if "tag" in line] == ["+    tag: 0.2.0"]
    assert job.image(PRODUCTION) == f"{IMAGE}:0.1.0"
    job.gitea.merge(TEAM, SERVICE, pull["number"])
    job.runs("production", "0.2.0")


@pytest.mark.timeout(600)
def test_production_goes_back_to_what_argo_cd_deployed_before(job: Job) -> None:
    before = job.image(PRODUCTION)
    job.release("production", "0.9.0")
    job.run("rollback-service", service=COMPONENT, owner=OWNER, environment="production")
    pulls = job.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/pulls?state=open").json()
    (pull,) = [each for each in pulls if each["title"].startswith(f"Roll {SERVICE} in production back to ")]
    assert "-    tag: 0.9.0" in job.changed((TEAM, SERVICE), pull)
    assert job.image(PRODUCTION) == f"{IMAGE}:0.9.0"
    job.gitea.merge(TEAM, SERVICE, pull["number"])
    job.runs("production", before.rpartition(":")[2])


@pytest.mark.timeout(600)
def test_an_environment_is_cloned(job: Job) -> None:
    """The catalog says whose the service is; plan and cost stand in the pull request."""
    what = {"storedSecrets": [], "sharedHosts": [], "values": {}, "what": "pull-request"}
    job.run("clone-environment", source=COMPONENT, team=OWNER, name=CLONE, ttl="1d", **{"from": "staging"}, **what)
    pull = job.opened(GITOPS, f"Clone staging as {CLONE}")
    assert CLONED in pull["body"]
    assert job.cluster.get(f"/api/v1/namespaces/{CLONED}") is None
    job.gitea.merge(*GITOPS, pull["number"])
    namespace = job.walk.see(f"/api/v1/namespaces/{CLONED}")
    assert namespace["metadata"]["annotations"]["understage.io/owner"] == OWNER
    assert wait_for("the clone's pod", lambda: job.cluster.pods(CLONED) or None, 120)
    assert job.image(CLONED) == job.image(STAGING)


@pytest.mark.timeout(600)
def test_a_job_that_the_catalog_does_not_know_fails_before_the_merge(job: Job) -> None:
    values = {"service": COMPONENT, "owner": OWNER, "environment": "production", "size": "small", "engine": "auto"}
    job.requests.ask("new-database", "unknown", values)
    job.requests.commit("Ask for a database")
    refused = job.requests.run(CHECK, CATALOG_TOKEN="of-somebody-else")
    assert refused.returncode == 1
    assert "The catalog refused reading entities" in refused.stdout
    assert "of-somebody-else" not in refused.stdout


@pytest.mark.timeout(600)
def test_the_accounts_of_the_job_may_do_no_more(job: Job) -> None:
    """What the example gives them is enough, as the other tests show; this is what it does not give."""
    given = job.requests.environment
    (service,) = job.entities(f"kind=component,metadata.name={SERVICE}")
    by_uid = f"/api/catalog/entities/by-uid/{service['metadata']['uid']}"
    for method, path in (("DELETE", by_uid), ("GET", "/api/scaffolder/v2/tasks")):
        assert job.catalog.request(method, path, token=TOKEN).status_code == 403
    headers = {"Authorization": f"Bearer {given['ARGOCD_TOKEN']}", "Content-Type": "application/json"}
    for method, path in (("POST", f"{STAGING}/sync"), ("DELETE", STAGING)):
        answer = job.argocd.http.request(
            method, f"{job.argocd.url}/api/v1/applications/{path}", headers=headers, json={}
        )
        assert answer.status_code == 403, answer.text
    account = "system:serviceaccount:argocd:requests"
    for method, path in (("GET", f"{STAGING}/secrets"), ("DELETE", STAGING)):
        answer = job.cluster.request(method, f"/api/v1/namespaces/{path}", user=account)
        assert answer.status_code == 403, answer.text
