"""Tasks that failed half-way, on the bench: undone, what they made goes and all else stays; tried again, they go on."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for
from tests.unit.skeletons.golden_path import SKELETONS

from understage.app import Service, create_service
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.identity.credentials import Credentials
from understage.model.template import API_VERSION
from understage.scaffolder.service import FoundTask
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.tasks.creation import NewTask

OPERATOR = Credentials.service("plugin:scaffolder")
OWNER = "undone"
FAILS: dict[str, Any] = {"action": "fetch:plain:file", "input": {"url": "not a url", "targetPath": "x"}}


@pytest.fixture
async def service(platform: Platform, tmp_path: Path) -> AsyncIterator[Service]:
    if not platform.gitea.request("GET", f"/orgs/{OWNER}").is_success:
        platform.gitea.create_organization(OWNER)
    config = platform.app_config()
    config["backend"] = {
        "baseUrl": "http://localhost:7007",
        "database": {"client": "better-sqlite3", "connection": {"directory": str(tmp_path)}},
        "auth": {"dangerouslyDisableDefaultAuthPolicy": True},
    }
    config["understage"] |= {
        "dataDirectory": str(tmp_path),
        "templateRoots": [str(SKELETONS)],
        "policies": {"rules": str(SKELETONS / "policies" / "rules.yaml")},
    }
    config["understage"]["helm"]["charts"] = str(SKELETONS / "charts")
    template = {"type": "file", "target": str(SKELETONS / "new-service" / "template.yaml")}
    config["catalog"] = {"locations": [{**template, "rules": [{"allow": ["Template"]}]}]}
    configuration = Configuration(config)
    made = await create_service(configuration, read_settings(configuration), root=tmp_path, standalone=True)
    await made.start()
    yield made
    await made.stop()


def steps(name: str, *more: dict[str, Any]) -> list[dict[str, Any]]:
    place = {"owner": OWNER, "name": name}
    made = [
        {"action": "catalog:write", "input": {"entity": {"kind": "Component", "apiVersion": "backstage.io/v1alpha1",
         "metadata": {"name": name}, "spec": {"type": "service", "lifecycle": "production", "owner": OWNER}}}},
        {"action": "publish:repository", "input": place},
        {"action": "kubernetes:create-namespace", "input": {"namespace": name, "team": OWNER, "environment": "staging"}},
        {"action": "kubernetes:create-namespace", "input": {"namespace": f"{name}-files", "team": OWNER,
         "environment": "staging", "mode": "files", "targetPath": "gitops"}},
        {"action": "gitops:commit", "input": {"sourcePath": "gitops", "message": f"Add {name}",
         "repository": {"owner": OWNER, "name": f"{name}-gitops"}}},
        {"action": "catalog:register", "input": {"catalogInfoUrl": "${{ steps.s1.output.catalogInfoUrl }}"}},
        *more,
    ]  # fmt: skip
    return [{"id": f"s{number}", "name": step["action"], **step} for number, step in enumerate(made)]


async def ended(service: Service, task_id: str, status: str) -> FoundTask:
    async with asyncio.timeout(120):
        while True:
            task = await service.scaffolder.get(task_id)
            if task.stored.status not in ("open", "processing"):
                break
            await asyncio.sleep(0.1)
    events = await service.scaffolder.wait_for_events(task, after=None, seconds=0)
    assert task.stored.status == status, events
    return task


async def run(service: Service, made: Sequence[dict[str, Any]], status: str) -> FoundTask:
    spec = {"apiVersion": API_VERSION, "steps": list(made), "output": {}, "parameters": {}, "user": {}}
    task = NewTask(spec, complete_secrets({}, OPERATOR, None))
    return await ended(service, await service.scaffolder.submit(task), status)


async def ask_undo(service: Service, task: FoundTask, **body: Any) -> httpx.Response:
    transport = httpx.ASGITransport(service.web)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7007") as client:
        return await client.post(f"/api/scaffolder/v2/tasks/{task.id}/undo", json=body)


async def log_of(service: Service, task: FoundTask) -> str:
    events = await service.scaffolder.wait_for_events(task, after=None, seconds=0)
    return "\n".join(str(event) for event in events)


@pytest.mark.timeout(300)
async def test_a_task_that_failed_half_way_is_undone_and_can_be_run_anew(service: Service, platform: Platform) -> None:
    gitea, cluster = platform.gitea, platform.cluster
    gitea.request(
        "POST", f"/orgs/{OWNER}/repos", json={"name": "half-gitops", "auto_init": True, "default_branch": "main"}
    )
    failed = await run(service, steps("half", FAILS), "failed")
    assert gitea.read(OWNER, "half", "catalog-info.yaml")
    assert cluster.get("/api/v1/namespaces/half") is not None
    file = f"infrastructure/teams/{OWNER}/namespaces/half-files.yaml"
    assert gitea.read(OWNER, "half-gitops", file)

    planned = (await ask_undo(service, failed, dryRun=True)).json()["steps"]
    first = [step["action"] for step in planned]
    assert first[:2] == ["undo:location", "undo:commit"]
    assert first[-2:] == ["undo:repository", "undo:repository"]
    assert {"undo:object"} == set(first[2:-2])
    assert cluster.get("/api/v1/namespaces/half") is not None

    answer = await ask_undo(service, failed)
    assert answer.status_code == 201, answer.text
    await ended(service, answer.json()["id"], "completed")
    assert gitea.request("GET", f"/repos/{OWNER}/half").status_code == 404
    assert gitea.read(OWNER, "half-gitops", file) is None
    assert gitea.read(OWNER, "half-gitops", "README.md")
    wait_for("the namespace to go", lambda: True if cluster.get("/api/v1/namespaces/half") is None else None, 60)
    again = await ask_undo(service, failed)
    done = await ended(service, again.json()["id"], "completed")
    assert "is gone already" in await log_of(service, done)

    await run(service, steps("half"), "completed")
    assert gitea.read(OWNER, "half", "catalog-info.yaml")
    assert gitea.read(OWNER, "half-gitops", file)


@pytest.mark.timeout(300)
async def test_what_was_there_before_and_what_others_did_stays(service: Service, platform: Platform) -> None:
    gitea, cluster = platform.gitea, platform.cluster
    labels = {"team": OWNER, "environment": "staging"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept", "labels": labels}})
    task = await run(service, steps("kept"), "completed")
    content = base64.b64encode(b"# ours\n").decode()
    pushed = gitea.request(
        "POST",
        f"/repos/{OWNER}/kept/contents/NOTES.md",
        json={"content": content, "message": "Write", "branch": "main"},
    )
    assert pushed.status_code == 201
    answer = await ask_undo(service, task)
    undo = await ended(service, answer.json()["id"], "completed")
    assert "has commits that the task did not push, on main" in await log_of(service, undo)
    assert gitea.read(OWNER, "kept", "NOTES.md") == "# ours\n"
    assert cluster.get("/api/v1/namespaces/kept") is not None
    assert cluster.get("/api/v1/namespaces/kept/resourcequotas/quota") is None


@pytest.mark.timeout(120)
async def test_a_task_that_made_nothing_is_not_undone(service: Service) -> None:
    task = await run(
        service, [{"id": "say", "name": "say", "action": "debug:log", "input": {"message": "hi"}}], "completed"
    )
    answer = await ask_undo(service, task)
    assert (answer.status_code, "made nothing" in answer.text) == (409, True)
    assert (await ask_undo(service, task, dryRun=True)).json() == {"steps": []}


@pytest.mark.timeout(400)
async def test_a_golden_path_that_failed_half_way_goes_on_where_it_was(service: Service, platform: Platform) -> None:
    """Somebody else has the quota of the namespace; as soon as that is gone, the same task is tried again."""
    gitea, cluster = platform.gitea, platform.cluster
    namespace = "mended-development"
    labels = {"team": OWNER, "environment": "development"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota", "namespace": namespace}}
    cluster.apply({**quota, "spec": {"hard": {"pods": "1"}}})
    form = {"name": "mended", "owner": f"group:default/{OWNER}", "language": "go", "environment": "development"}
    await service.wait_until_ingested(60)
    transport = httpx.ASGITransport(service.web)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7007") as client:
        order = {"templateRef": "template:default/new-service", "values": form}
        made = await client.post("/api/scaffolder/v2/tasks", json=order)
        assert made.status_code == 201, made.text
        failed = await ended(service, made.json()["id"], "failed")
    assert "quota" in await log_of(service, failed)
    commits = gitea.request("GET", f"/repos/{OWNER}/mended/commits").json()
    assert len(commits) == 1
    assert platform.argocd.application(namespace) is None

    cluster.delete(cluster.path_of(quota))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7007") as client:
        answer = await client.post(f"/api/scaffolder/v2/tasks/{failed.id}/retry", json={})
    assert answer.status_code == 201, answer.text
    done = await ended(service, failed.id, "completed")
    assert gitea.request("GET", f"/repos/{OWNER}/mended/commits").json() == commits
    application = platform.argocd.application(namespace)
    assert application is not None
    assert application["status"]["health"]["status"] == "Healthy"
    assert (await log_of(service, done)).count("Beginning step Publish the repository") == 1
    stored = cluster.get(cluster.path_of(quota)) or {}
    assert stored["spec"]["hard"]["pods"] == "50"
