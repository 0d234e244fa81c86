"""`new-team` on the bench: a pull request, nothing before the merge, then all of it by Argo CD; whose secrets a team reaches."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.bench import Cluster, Platform
from tests.cluster.bench.process import wait_for
from tests.cluster.bench.teams import root_application
from tests.cluster.test_kubernetes import reach
from tests.cluster.test_policies import refusal
from tests.unit.policies.corpus import Case
from tests.unit.skeletons.golden_path import SKELETONS

from understage.integrations.git.remotes import GitRemotes
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.kubernetes import clusters_from_config
from understage.integrations.policies import PolicyCheck, admission_policies, read_policies
from understage.platform.http import HttpClient
from understage.sdk.testing import FakeForges, fake_ports, run_action
from understage_actions.gitops_commit import commit
from understage_actions.team_render import render

TEAM = "almoners"
RULES = SKELETONS / "policies" / "rules.yaml"
SECRET = "hunter2-is-in-vault-only"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


def may(cluster: Cluster, verb: str, resource: str, namespace: str, group: str = "") -> bool:
    """What the API server says of a user of the team's group."""
    asked = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "ada", "groups": [TEAM], "resourceAttributes": asked},
    }
    answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    return bool(answer.json()["status"]["allowed"])


@pytest.mark.timeout(600)
async def test_a_team_is_made_by_a_merge_and_by_nothing_else(
    platform: Platform, external_secrets: None, http: HttpClient, tmp_path: Path
) -> None:
    gitea, cluster = platform.gitea, platform.cluster
    gitea.create_organization("almshouse")
    gitea.create_repository("almshouse", "gitops")
    gitea.commit("almshouse", "gitops", {"infrastructure/README.md": "# What runs where\n"}, "Begin")
    gitea.settle()
    forge = create_gitea_forge(
        http, host=gitea.host, base_url=gitea.url, username=gitea.username, password=gitea.password
    )
    ports = fake_ports(
        forges=FakeForges([forge]),
        git=GitRemotes(tmp_path / "git"),
        clusters=clusters_from_config(platform.app_config()),
    )
    defaults = {
        "gitopsRepository": {"host": None, "owner": "almshouse", "name": "gitops"},
        "vault": {"server": "https://vault.example.com:8200"},
        "argocdDestinationServers": {"bench": platform.argocd.destination},
    }
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    made = await run_action(
        render,
        {"name": TEAM, "newUsers": [{"name": "grace"}], "targetPath": "gitops"},
        workspace=workspace,
        ports=ports,
        defaults=defaults,
    )
    step = {"sourcePath": "gitops", "message": f"Add team {TEAM}", "pullRequest": True}
    committed = await run_action(commit, step, workspace=workspace, ports=ports, defaults=defaults)
    assert committed.output["pullRequestUrl"].startswith(f"{gitea.url}/almshouse/gitops/pulls/")

    cluster.apply(root_application(platform, ("almshouse", "gitops"), name="teams"))
    await asyncio.sleep(12)  # longer than Argo CD takes to look again
    assert cluster.get(f"/api/v1/namespaces/{TEAM}") is None
    assert gitea.read("almshouse", "gitops", f"infrastructure/teams/{TEAM}/namespace.yaml") is None

    number = committed.output["pullRequestUrl"].rpartition("/")[2]
    gitea.merge("almshouse", "gitops", number)
    argo = f"/apis/argoproj.io/v1alpha1/namespaces/{platform.argocd.namespace}"
    wait_for("the namespace", lambda: cluster.get(f"/api/v1/namespaces/{TEAM}"), 120)
    project = wait_for("the project", lambda: cluster.get(f"{argo}/appprojects/{TEAM}"), 120)
    wait_for("the set", lambda: cluster.get(f"{argo}/applicationsets/{TEAM}"), 120)
    policies = f"/apis/networking.k8s.io/v1/namespaces/{TEAM}/networkpolicies"
    for path in (
        f"/api/v1/namespaces/{TEAM}/resourcequotas/quota",
        f"/api/v1/namespaces/{TEAM}/limitranges/limits",
        f"{policies}/default-deny",
        f"{policies}/allow-dns",
        f"/apis/external-secrets.io/v1/namespaces/{TEAM}/secretstores/vault",
        f"/apis/external-secrets.io/v1/namespaces/{TEAM}/externalsecrets/team",
    ):
        assert wait_for(path, lambda path=path: cluster.get(path), 60)
    assert project["spec"]["clusterResourceWhitelist"] in (None, [])
    assert project["spec"]["destinations"] == [{"server": platform.argocd.destination, "namespace": TEAM}]

    wait_for("the role", lambda: may(cluster, "create", "deployments", TEAM, "apps") or None, 60)
    assert may(cluster, "get", "pods", TEAM)
    # F7: what makes the namespace safe is not the team's to change, and other namespaces are not the team's.
    assert not may(cluster, "patch", "namespaces", TEAM)
    assert not may(cluster, "delete", "resourcequotas", TEAM)
    assert not may(cluster, "create", "rolebindings", TEAM, "rbac.authorization.k8s.io")
    assert not may(cluster, "get", "pods", "default")
    assert not may(cluster, "create", "applications", platform.argocd.namespace, "argoproj.io")

    await _deploys_folders_and_nothing_of_the_cluster(platform)
    assert made.output["catalogInfoUrl"].endswith(f"src/branch/main/infrastructure/teams/{TEAM}/catalog-info.yaml")
    assert "kind: Group" in (gitea.read("almshouse", "gitops", f"infrastructure/teams/{TEAM}/catalog-info.yaml") or "")
    cluster.apply(_kubernetes_secret())
    _no_value_is_in_git(platform, tmp_path / "clone")
    cluster.delete(f"{argo}/applications/teams")


async def _deploys_folders_and_nothing_of_the_cluster(platform: Platform) -> None:
    """F2: a folder of the team runs in its project, which takes no ClusterRole and no other namespace."""
    folder = f"infrastructure/teams/{TEAM}/applications"
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    grab = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{TEAM}-grab"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    elsewhere = {**settings, "metadata": {"name": f"{TEAM}-elsewhere", "namespace": "default"}}
    files = {
        f"{folder}/ledger/settings.yaml": yaml.safe_dump(settings),
        f"{folder}/grab/role.yaml": yaml.safe_dump(grab),
        f"{folder}/elsewhere/settings.yaml": yaml.safe_dump(elsewhere),
    }
    platform.gitea.commit("almshouse", "gitops", files, "Deploy")
    # The set looks into the repository every three minutes; a change of it makes it look now.
    refresh = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {
            "name": TEAM,
            "namespace": platform.argocd.namespace,
            "annotations": {"argocd.argoproj.io/application-set-refresh": "true"},
        },
    }

    def find() -> Any:
        path = f"{platform.cluster.path_of(refresh)}"
        platform.cluster.request(
            "PATCH",
            path,
            json={"metadata": {"annotations": refresh["metadata"]["annotations"]}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        return platform.argocd.application(f"{TEAM}.ledger")

    assert wait_for("the folder's application", find, 90)
    wait_for("its object", lambda: platform.cluster.get(f"/api/v1/namespaces/{TEAM}/configmaps/settings"), 90)
    for name in ("grab", "elsewhere"):
        refused = wait_for(name, lambda name=name: _refusal(platform, f"{TEAM}.{name}"), 90)
        assert "not permitted in project" in refused
    assert platform.cluster.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{TEAM}-grab") is None
    assert platform.cluster.get(f"/api/v1/namespaces/default/configmaps/{TEAM}-elsewhere") is None


def _refusal(platform: Platform, name: str) -> str | None:
    """What Argo CD says against an application."""
    status = (platform.argocd.application(name) or {}).get("status", {})
    operation = status.get("operationState", {})
    said = [condition["message"] for condition in status.get("conditions", [])]
    said += [operation.get("message", "")]
    said += [result.get("message", "") for result in operation.get("syncResult", {}).get("resources", [])]
    text = "; ".join(said)
    return text if "not permitted in project" in text else None


def _kubernetes_secret() -> dict[str, Any]:
    """What External Secrets would make of Vault's value."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "team", "namespace": TEAM},
        "stringData": {"PASSWORD": SECRET},
    }


def _no_value_is_in_git(platform: Platform, clone: Path) -> None:
    """No branch of the repository, in no commit, has the value, or an object that holds one."""
    url = platform.gitea.clone_url("almshouse", "gitops", with_credentials=True)
    subprocess.run(["git", "clone", "-q", "--mirror", url, str(clone)], check=True, timeout=60)
    everything = subprocess.run(
        ["git", "log", "--all", "-p"], cwd=clone, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert "kind: ExternalSecret" in everything
    assert SECRET not in everything
    assert "\n+kind: Secret\n" not in everything


async def test_what_is_another_teams_in_vault_is_refused_by_the_cluster_in_the_words_of_the_check(
    cluster: Cluster, external_secrets: None
) -> None:
    """F5, by the API server's policies and by the check of files."""
    api = reach(cluster)
    policies = read_policies(RULES)
    checking = PolicyCheck(policies)
    made = [
        manifest
        for manifest in admission_policies(policies)
        if manifest["metadata"]["name"].removeprefix("platform-").startswith("secret-")
    ]
    assert len(made) == 6
    namespace = "vault-staging"
    labels = {"team": "wardens"}
    await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})

    def item(kind: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": "purse", "namespace": namespace, "labels": labels}
        return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": spec}

    def store(role: str) -> dict[str, Any]:
        login = {"mountPath": "kubernetes", "role": role}
        vault = {"server": "https://vault.example.com", "path": "secret", "auth": {"kubernetes": login}}
        return item("SecretStore", provider={"vault": vault})

    own = [{"extract": {"key": "teams/wardens/staging/purse"}}]
    good = [item("ExternalSecret", secretStoreRef={"name": "vault"}, dataFrom=own), store(namespace)]
    bad = [
        item("ExternalSecret", dataFrom=[{"extract": {"key": f"teams/{TEAM}/staging/shared"}}]),
        item("ExternalSecret", data=[{"secretKey": "A", "remoteRef": {"key": f"teams/{TEAM}/production/ledger"}}]),
        item("ExternalSecret", dataFrom=[{"find": {"name": {"regexp": ".*"}}}]),
        item("ExternalSecret", secretStoreRef={"name": "all", "kind": "ClusterSecretStore"}, dataFrom=own),
        store(TEAM),
    ]
    try:
        for manifest in made:
            await api.apply(manifest)
        for object_ in bad:
            (violation,) = checking.check([object_])
            deadline = time.monotonic() + 60
            # A policy counts a moment after it was made.
            while not (said := await refusal(api, Case("", object_, frozenset()))):
                assert time.monotonic() < deadline, object_
                await asyncio.sleep(0.3)
            assert violation.message in said
        for object_ in good:
            assert checking.check([object_]) == []
            await api.apply(object_, dry_run=True)
    finally:
        for manifest in reversed(made):
            await api.delete(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])
