"""`argocd:sync`, `argocd:wait`, `argocd:delete-app` and `argocd:create-resources` on an Argo CD in memory."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import ConflictError, ForeignError, InputError, NotFoundError
from understage.sdk import Action
from understage.sdk.testing import (
    ActionResult,
    FakeArgoCd,
    FakeArgoCds,
    FakeCluster,
    FakeClusters,
    fake_ports,
    run_action,
)
from understage_actions import _argocd_wait
from understage_actions.argocd_create_resources import create_resources
from understage_actions.argocd_delete_app import delete_app
from understage_actions.argocd_sync import sync, wait

LEDGER = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "ledger"},
    "spec": {"project": "payments"},
}
STEP = {"name": "ledger", "team": "group:default/payments"}
RESOURCES = {
    "appName": "ledger",
    "argoInstance": "main",
    "namespace": "ledger-production",
    "repoUrl": "https://git.example.com/payments/ledger.git",
    "path": "manifests/",
}


@pytest.fixture
def argocd(monkeypatch: pytest.MonkeyPatch) -> FakeArgoCd:
    monkeypatch.setattr(_argocd_wait, "POLL_SECONDS", 0.0)
    return FakeArgoCd("main", applications={"ledger": LEDGER})


async def run(
    action: Action[Any, Any], workspace: Path, argocd: FakeArgoCd, *, dry_run: bool = False, **input: Any
) -> ActionResult:
    ports = fake_ports(argocd=FakeArgoCds([argocd]))
    return await run_action(action, input, workspace=workspace, ports=ports, dry_run=dry_run)


def status(started: str, phase: str, health: str = "Healthy", **more: Any) -> dict[str, Any]:
    operation = {"startedAt": started, "phase": phase, **more}
    return {"sync": {"status": "Synced", "revision": "abc"}, "health": {"status": health}, "operationState": operation}


async def test_the_state_before_a_sync_is_not_taken_for_the_one_after(tmp_path: Path, argocd: FakeArgoCd) -> None:
    argocd.statuses["ledger"] = [
        status("1", "Succeeded"),
        status("1", "Succeeded"),
        status("2", "Running", "Progressing"),
        status("2", "Succeeded", "Progressing"),
        status("2", "Succeeded"),
    ]
    result = await run(sync, tmp_path, argocd, **STEP, revision="v1.2.0", prune=True)
    assert argocd.syncs == [("ledger", "v1.2.0", True)]
    assert result.output == {"name": "ledger", "sync": "Synced", "health": "Healthy", "revision": "abc"}


async def test_a_sync_that_is_not_taken_up_is_told(
    tmp_path: Path, argocd: FakeArgoCd, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(_argocd_wait.time, "monotonic", lambda: float(next(ticks)))
    argocd.statuses["ledger"] = [status("1", "Succeeded", message="old")]
    with pytest.raises(ForeignError, match="The sync of ledger has not ended after 3 s"):
        await run(sync, tmp_path, argocd, **STEP, waitTimeout=3)


async def test_another_team_s_application_is_left_alone(tmp_path: Path, argocd: FakeArgoCd) -> None:
    for action in (sync, delete_app):
        with pytest.raises(ConflictError, match="belongs to project payments"):
            await run(action, tmp_path, argocd, name="ledger", team="storefront")
    assert (argocd.syncs, list(argocd.applications)) == ([], ["ledger"])


async def test_dry_runs_change_nothing(tmp_path: Path, argocd: FakeArgoCd) -> None:
    for action, input in ((sync, STEP), (delete_app, STEP), (wait, {"name": "ledger"}), (create_resources, RESOURCES)):
        if action is create_resources:
            argocd.applications.clear()
        result = await run(action, tmp_path, argocd, **input, dry_run=True)
        assert result.log[0].startswith("Would ")
    assert (argocd.syncs, argocd.projects) == ([], {})


async def test_what_is_not_there(tmp_path: Path, argocd: FakeArgoCd) -> None:
    argocd.applications.clear()
    assert (await run(delete_app, tmp_path, argocd, **STEP)).output == {"name": "ledger", "deleted": False}
    for action, input in ((sync, STEP), (wait, {"name": "ledger"})):
        with pytest.raises(NotFoundError, match="Application ledger does not exist"):
            await run(action, tmp_path, argocd, **input)
    with pytest.raises(InputError, match="Neither an Argo CD nor a cluster is configured"):
        await run_action(wait, {"name": "ledger"}, workspace=tmp_path)


async def test_an_application_is_deleted_once(tmp_path: Path, argocd: FakeArgoCd) -> None:
    assert (await run(delete_app, tmp_path, argocd, **STEP)).output["deleted"] is True
    assert argocd.applications == {}
    assert (await run(delete_app, tmp_path, argocd, **STEP)).output["deleted"] is False


async def test_without_the_api_the_object_is_deleted_and_no_sync_begun(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.seed({**LEDGER, "metadata": {"name": "ledger", "namespace": "argocd"}}, manager="argocd")
    ports = fake_ports(clusters=FakeClusters([cluster]))
    with pytest.raises(InputError, match="needs Argo CD's REST API"):
        await run_action(sync, STEP, workspace=tmp_path, ports=ports)
    with pytest.raises(InputError, match="`cascade: false` needs Argo CD's REST API"):
        await run_action(delete_app, {**STEP, "cascade": False}, workspace=tmp_path, ports=ports)
    assert (await run_action(delete_app, STEP, workspace=tmp_path, ports=ports)).output["deleted"] is True
    assert await cluster.get(LEDGER["apiVersion"], "Application", "ledger", "argocd") is None  # type: ignore[arg-type]


async def test_resources_are_made_and_made_again(tmp_path: Path, argocd: FakeArgoCd) -> None:
    argocd.applications.clear()
    for _ in range(2):
        output = (await run(create_resources, tmp_path, argocd, **RESOURCES)).output
    assert (output["project"], output["applicationUrl"]) == ("ledger", "https://argocd.test/applications/argocd/ledger")
    application = argocd.applications["ledger"]
    assert application["metadata"]["labels"]["backstage-name"] == "ledger"
    assert application["spec"]["source"] == {
        "repoURL": RESOURCES["repoUrl"],
        "targetRevision": "HEAD",
        "path": "manifests",
    }
    assert argocd.projects["ledger"]["spec"]["sourceRepos"] == [RESOURCES["repoUrl"]]
    with pytest.raises(ConflictError, match=r"deploys https://git\.example\.com/payments/ledger\.git"):
        await run(create_resources, tmp_path, argocd, **{**RESOURCES, "repoUrl": "https://git.example.com/x/y.git"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"argoInstance": "other"}, "Unable to find Argo instance named 'other'"),
        ({"namespace": "kube-system"}, "reserved"),
        ({"projectName": "default"}, "open to everybody"),
        ({"path": "../other"}, "inside of the repository"),
        ({"repoUrl": "https://u:p@git.example.com/x.git"}, "without credentials"),
        ({"repoUrl": "*"}, "clone URL"),
        ({"appName": "Not_A_Name"}, "appName"),
    ],
)
async def test_refusals(change: dict[str, str], message: str, tmp_path: Path, argocd: FakeArgoCd) -> None:
    argocd.applications.clear()
    with pytest.raises(InputError, match=message):
        await run(create_resources, tmp_path, argocd, **{**RESOURCES, **change})
    assert (argocd.applications, argocd.projects) == ({}, {})
