"""The guide's way by Git alone: its shell commands, its example, and a real forge."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Gitea
from tests.cluster.by_git import AUTHOR, CHECK, POLICIES, RUN, Done, Requests
from tests.docs.markdown import ROOT


@pytest.fixture
def requests(tmp_path: Path, gitea: Gitea, helm_binary: Path) -> Requests:
    return Requests(tmp_path / "requests", gitea, helm_binary)


def have_organizations(gitea: Gitea, *names: str) -> None:
    """Others of the session may have made them."""
    for name in names:
        if gitea.request("GET", f"/orgs/{name}").status_code == 404:
            gitea.create_organization(name)


@pytest.mark.timeout(400)
def test_a_merged_file_becomes_a_service(requests: Requests, gitea: Gitea) -> None:
    have_organizations(gitea, "payments", "platform")
    requests.commit("Ask for a service")
    checked = requests.run(CHECK)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken rules" in checked.stdout
    assert gitea.request("GET", "/repos/payments/almanac").status_code == 404

    done = requests.run(RUN)
    assert done.returncode == 0, done.stdout
    assert gitea.read("payments", "almanac", "go.mod")
    application = gitea.read("platform", "gitops", "infrastructure/teams/payments/applications/almanac-staging.yaml")
    assert application is not None
    assert "kind: Application" in application
    assert gitea.password not in checked.stdout + done.stdout

    address = gitea.url.replace("://", f"://{gitea.username}:{gitea.password}@")
    requests.git("clone", "-q", f"{address}/platform/gitops.git", "gitops")
    held = requests.run(POLICIES)
    assert held.returncode == 0, held.stdout
    assert "0 broken rules" in held.stdout


@pytest.mark.timeout(400)
def test_a_wrong_request_fails_before_the_merge(requests: Requests, gitea: Gitea) -> None:
    (requests.folder / "requests/new-service/almanac.yaml").write_text(
        "{name: ../kube-system, owner: 'group:default/payments', language: go, environment: staging}"
    )
    requests.commit("Ask for what nobody gets")
    checked = requests.run(CHECK)
    assert checked.returncode == 1
    assert "does not match pattern" in checked.stdout


TEAM = "weavers"
RUNNING = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: loom, namespace: loom-live}
spec:
  selector: {matchLabels: {app: loom}}
  template:
    metadata: {labels: {app: loom}}
    spec: {containers: [{name: loom, image: "registry.example.com/weavers/loom:1.0.0"}]}
"""
OWNER = {"owner": f"group:default/{TEAM}", "environment": "staging"}


def asked(gitea: Gitea) -> dict[str, dict[str, Any]]:
    """A request for each template."""
    service = {"service": "component:default/bobbin", "owner": f"group:default/{TEAM}"}
    return {
        "adopt-service": {"repoUrl": f"{gitea.host}?owner={TEAM}&repo=loom", "namespace": "loom-live", **OWNER},
        "clone-environment": {"source": "component:default/bobbin", "from": "staging", "team": f"group:default/{TEAM}",
                              "name": "spare", "ttl": "1d", "values": {}, "storedSecrets": [], "sharedHosts": [], "what": "plan"},
        "new-database": {**service, "environment": "staging", "size": "small"},
        "new-job": {"name": "sweep", "schedule": "15 3 * * *", **OWNER},
        "new-service": {"name": "bobbin", "language": "node", **OWNER},
        "new-team": {"name": TEAM, "title": "Weavers", "newUsers": [{"name": "grace"}], "environment": "development"},
        "new-website": {"name": "window", **OWNER},
        "new-worker": {"name": "shuttle", "language": "go", "queue": "threads", **OWNER},
        "promote-service": {**service, "from": "staging", "to": "production"},
        "rollback-service": {**service, "environment": "production"},
        "team-dashboard": {"owner": f"group:default/{TEAM}", "services": ["bobbin"], "environments": ["staging"]},
    }  # fmt: skip


# What these begin with, of the catalog or of a service that runs, is not here: `test_by_git_with_platform` gives it to the job.
MISSING = {
    "clone-environment": "component:default/bobbin",
    "new-database": "component:default/bobbin",
    "promote-service": "repository weavers/bobbin",
    "rollback-service": "repository weavers/bobbin",
}


@pytest.mark.timeout(900)
def test_requests_for_all_templates_are_taken(requests: Requests, gitea: Gitea) -> None:
    have_organizations(gitea, TEAM, "platform")
    if gitea.request("GET", "/repos/platform/gitops").status_code == 404:
        gitea.create_repository("platform", "gitops")
        gitea.commit("platform", "gitops", {"README.md": "What runs where\n"}, "Begin")
    gitea.create_repository(TEAM, "loom")
    gitea.commit(TEAM, "loom", {"k8s/all.yaml": RUNNING}, "Run it")
    shutil.rmtree(requests.folder / "requests")
    wanted = asked(gitea)
    assert sorted(wanted) == sorted(file.parent.name for file in (ROOT / "skeletons").glob("*/template.yaml"))
    for template, values in wanted.items():
        requests.ask(template, template, values)
    requests.commit("Ask for everything")
    before = gitea.tree("platform", "gitops")
    told = said_of(requests.run(CHECK))
    for template, text in told.items():
        if template in MISSING:
            assert MISSING[template] in text, text
        else:
            assert "\nError: " not in text, text
    assert gitea.tree("platform", "gitops") == before
    assert gitea.request("GET", f"/repos/{TEAM}/bobbin").status_code == 404

    for template in MISSING:
        shutil.rmtree(requests.folder / "requests" / template)
    requests.git("add", ".")
    requests.git(*AUTHOR, "commit", "-q", "--amend", "-m", "Ask for what needs no more")
    done = requests.run(RUN)
    assert done.returncode == 0, done.stdout
    made = gitea.tree("platform", "gitops") - before
    names = ("bobbin", "shuttle", "sweep", "window")
    applications = {f"infrastructure/teams/{TEAM}/applications/{name}-staging.yaml" for name in names}
    assert applications <= made
    for name in names:
        assert gitea.read(TEAM, name, "catalog-info.yaml")
    opened = gitea.request("GET", "/repos/platform/gitops/pulls?state=open").json()
    titles = {each["title"] for each in opened}
    assert {f"Add team {TEAM}", "Adopt loom in staging"} <= titles
    (adoption,) = gitea.request("GET", f"/repos/{TEAM}/loom/pulls?state=open").json()
    assert adoption["title"] == "Adopt loom"


def said_of(done: Done) -> dict[str, str]:
    """What was said of each request."""
    parts = done.stdout.split("== requests/")[1:]
    return {part.partition("/")[0]: part for part in parts}
