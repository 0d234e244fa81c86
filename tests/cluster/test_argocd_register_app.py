"""`argocd:register-app` and the Argo CD integration against a real Argo CD, forge and cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for

from understage.errors import ConflictError, ForeignError, InputError
from understage.integrations.argocd import ArgoCdInstances, argocd_from_config
from understage.integrations.kubernetes import KubernetesClusters, clusters_from_config
from understage.sdk import Ports
from understage.sdk.testing import ActionResult, fake_ports, run_action
from understage_actions.argocd_create_resources import create_resources
from understage_actions.argocd_delete_app import delete_app
from understage_actions.argocd_register_app import register_app
from understage_actions.argocd_sync import sync, wait
from understage_actions.kubernetes_create_namespace import create_namespace

CHART = Path(__file__).parents[2] / "skeletons" / "charts" / "base-service"
VALUES = {"image": {"repository": "registry.example.com/orders/api", "tag": "1.0.0"}}


def argocds(platform: Platform, **changes: Any) -> ArgoCdInstances:
    config = platform.app_config()
    instance = config["argocd"]["appLocatorMethods"][0]["instances"][0]
    instance.update(changes)
    return argocd_from_config(config)


def clusters(platform: Platform) -> KubernetesClusters:
    return clusters_from_config(platform.app_config())


def by_api(platform: Platform) -> Ports:
    return fake_ports(clusters=clusters(platform), argocd=argocds(platform))


def publish(platform: Platform, team: str, name: str, values: dict[str, Any] = VALUES) -> str:
    """A repository with the chart and a values file for it; its clone URL."""
    gitea = platform.gitea
    if not gitea.request("GET", f"/orgs/{team}").is_success:
        gitea.create_organization(team)
    gitea.create_repository(team, name, private=True)
    files = {f"deploy/{path.relative_to(CHART)}": path.read_text() for path in CHART.rglob("*") if path.is_file()}
    files["deploy/environments/staging.yaml"] = yaml.safe_dump(values)
    gitea.commit(team, name, files, "Add the service")
    return gitea.clone_url(team, name)


async def register(ports: Ports, workspace: Path, team: str, name: str, url: str, **more: Any) -> ActionResult:
    where = {"namespace": f"{name}-staging", "team": team, "environment": "staging"}
    await run_action(create_namespace, where, workspace=workspace, ports=ports)
    step = {
        **where,
        "name": f"{name}-staging",
        "repoUrl": url,
        "valueFiles": ["deploy/environments/staging.yaml"],
        "wait": True,
        "waitTimeout": 120,
        **more,
    }
    return await run_action(register_app, step, workspace=workspace, ports=ports)


@pytest.mark.parametrize("via", ["api", "kubernetes"])
async def test_a_service_runs(via: str, platform: Platform, tmp_path: Path) -> None:
    team, name = f"orders-{via}", f"api-{via}"
    url = publish(platform, team, name)
    result = await register(by_api(platform), tmp_path, team, name, url, via=via)
    output = result.output
    assert (output["applied"], output["via"], output["sync"], output["health"]) == (True, via, "Synced", "Healthy")
    assert output["applicationUrl"] == f"{platform.argocd.url}/applications/argocd/{name}-staging"
    assert any("Synced, Healthy" in line for line in result.log)
    assert wait_for("two pods", lambda: len(platform.cluster.pods(f"{name}-staging")) == 2, 60)

    application = platform.argocd.application(f"{name}-staging")
    assert application is not None
    assert application["spec"]["project"] == team
    assert application["status"]["sync"]["revision"] == output["revision"]
    again = await register(by_api(platform), tmp_path, team, name, url, via=via)
    assert again.output["health"] == "Healthy"


async def test_a_teams_project_grows_and_its_names_are_its_own(platform: Platform, tmp_path: Path) -> None:
    ports = by_api(platform)
    urls = [publish(platform, "billing", name) for name in ("invoices", "dunning")]
    for name, url in zip(("invoices", "dunning"), urls, strict=True):
        await register(ports, tmp_path, "billing", name, url, wait=False)
    project = platform.cluster.get("/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/billing")
    assert project is not None
    assert sorted(project["spec"]["sourceRepos"]) == sorted(urls)
    assert [destination["namespace"] for destination in project["spec"]["destinations"]] == [
        "invoices-staging",
        "dunning-staging",
    ]
    assert project["spec"].get("clusterResourceWhitelist", []) == []

    other = publish(platform, "returns", "invoices")
    step = {
        "name": "invoices-staging",
        "team": "returns",
        "repoUrl": other,
        "namespace": "returns-staging",
    }
    for via in ("api", "kubernetes"):
        with pytest.raises(ConflictError, match=r"invoices-staging in .* belongs to project billing"):
            await run_action(register_app, {**step, "via": via}, workspace=tmp_path, ports=ports)
    with pytest.raises(ConflictError, match=r"deploys .*/billing/invoices.git"):
        await run_action(register_app, {**step, "team": "billing"}, workspace=tmp_path, ports=ports)
    assert platform.cluster.get("/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/returns") is None


async def test_why_it_does_not_get_there_is_told(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understage_actions._argocd_wait.GRACE_SECONDS", 3)
    url = publish(
        platform, "broken", "greedy", {**VALUES, "resources": {"requests": {"cpu": "30"}, "limits": {"cpu": "30"}}}
    )
    with pytest.raises(ForeignError, match=r"greedy-staging is .* after 20 s: .*exceeded quota"):
        await register(by_api(platform), tmp_path, "broken", "greedy", url, waitTimeout=20)
    wrong = publish(platform, "broken", "typo", {**VALUES, "replica": 3})
    for via, error in (("api", InputError), ("kubernetes", ForeignError)):
        with pytest.raises(error, match=r"(?s)typo-staging.*replica"):
            await register(by_api(platform), tmp_path, "broken", "typo", wrong, waitTimeout=60, via=via)


async def test_a_repository_cannot_loosen_its_guardrails(platform: Platform, tmp_path: Path) -> None:
    """Kinds of the cluster, and those of the namespace's own limits, are not the team's to deploy."""
    roles = "rbac.authorization.k8s.io/v1"
    objects = {
        "ClusterRole": {"apiVersion": roles, "kind": "ClusterRole", "metadata": {"name": "sly"}},
        "ResourceQuota": {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "quota"},
            "spec": {"hard": {}},
        },
    }
    for kind, manifest in objects.items():
        name = f"sly-{kind.lower()}"
        url = publish(platform, "sly", name)
        platform.gitea.commit("sly", name, {"deploy/templates/sly.yaml": yaml.safe_dump(manifest)}, "Try")
        with pytest.raises(ForeignError, match=rf"(?s)failed to sync: {kind} .*not permitted in project"):
            await register(by_api(platform), tmp_path, "sly", name, url, waitTimeout=60)


async def test_argocd_that_refuses_or_does_not_answer_says_what_to_change(platform: Platform, tmp_path: Path) -> None:
    key = r"argocd.appLocatorMethods\[0\].instances\[0\]"
    for changes, message in (
        ({"token": "wr0ng"}, rf"does not accept the credentials.*{key}"),
        ({"token": None, "username": "admin", "password": "wr0ng"}, rf"refused to sign in.*credentials.*{key}"),
        ({"url": "http://127.0.0.1:1"}, rf"at http://127.0.0.1:1 does not answer.*{key}"),
    ):
        found = argocds(platform, **changes).get()
        assert found is not None
        with pytest.raises(ForeignError, match=message):
            await found.get_application("any")


async def test_a_password_is_as_good_as_a_token(platform: Platform) -> None:
    argocd = platform.argocd
    found = argocds(platform, token=None, username=argocd.username, password=argocd.password).get()
    assert found is not None
    assert await found.get_application("no-such-application") is None
    assert await found.get_project("no-such-project") is None
    project = await found.get_project("default")
    assert project is not None
    assert project["metadata"]["name"] == "default"


async def test_an_application_is_synced_waited_for_and_deleted(platform: Platform, tmp_path: Path) -> None:
    ports = by_api(platform)
    url = publish(platform, "syncers", "clock")
    await register(ports, tmp_path, "syncers", "clock", url)
    step = {"name": "clock-staging", "team": "syncers", "waitTimeout": 120}
    before = await argocds(platform).get().get_application("clock-staging")  # type: ignore[union-attr]
    synced = (await run_action(sync, {**step, "prune": True}, workspace=tmp_path, ports=ports)).output
    assert (synced["sync"], synced["health"]) == ("Synced", "Healthy")
    after = await argocds(platform).get().get_application("clock-staging")  # type: ignore[union-attr]
    assert before is not None
    assert after is not None
    started = [each["status"]["operationState"]["startedAt"] for each in (before, after)]
    assert started[0] < started[1]
    waited = (await run_action(wait, {"name": "clock-staging"}, workspace=tmp_path, ports=ports)).output
    assert waited == synced

    with pytest.raises(ConflictError, match="belongs to project syncers"):
        await run_action(delete_app, {**step, "team": "others"}, workspace=tmp_path, ports=ports)
    gone = (await run_action(delete_app, step, workspace=tmp_path, ports=ports)).output
    assert gone == {"name": "clock-staging", "deleted": True}
    cluster = clusters(platform).get()
    assert cluster is not None
    assert await cluster.get("apps/v1", "Deployment", "clock-staging", "clock-staging") is None
    again = (await run_action(delete_app, step, workspace=tmp_path, ports=ports)).output
    assert again == {"name": "clock-staging", "deleted": False}


async def test_a_folder_of_manifests_is_deployed_by_the_peer_s_inputs(platform: Platform, tmp_path: Path) -> None:
    ports = by_api(platform)
    gitea = platform.gitea
    gitea.create_organization("plainfolk")
    gitea.create_repository("plainfolk", "notes")
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {a: b}\n"
    gitea.commit("plainfolk", "notes", {"manifests/map.yaml": manifest}, "Add the manifests")
    where = {"namespace": "notes-staging", "team": "plainfolk", "environment": "staging"}
    await run_action(create_namespace, where, workspace=tmp_path, ports=ports)
    step = {
        "appName": "notes",
        "argoInstance": ports.argocd.names()[0],
        "namespace": "notes-staging",
        "repoUrl": gitea.clone_url("plainfolk", "notes"),
        "path": "manifests",
        "projectName": "plainfolk",
    }
    for _ in range(2):
        await run_action(create_resources, step, workspace=tmp_path, ports=ports)
    output = (await run_action(wait, {"name": "notes", "timeout": 120}, workspace=tmp_path, ports=ports)).output
    assert (output["sync"], output["health"]) == ("Synced", "Healthy")
    cluster = clusters(platform).get()
    assert cluster is not None
    assert await cluster.get("v1", "ConfigMap", "notes", "notes-staging")
