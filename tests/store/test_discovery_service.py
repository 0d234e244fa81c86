"""Discovery in a whole service: made by configuration, seen and run over HTTP, and not loaded without need."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.store.service_bench import ServiceBench, closed_port, running_service

TASK = "gitea-provider:main:refresh"
TASKS = "/api/catalog/.backstage/scheduler/v1/tasks"


def overlay(port: int) -> dict[str, Any]:
    schedule = {"frequency": {"trigger": "manual"}, "timeout": {"minutes": 1}}
    entry = {"host": f"127.0.0.1:{port}", "organization": "acme", "schedule": schedule}
    address = f"127.0.0.1:{port}"
    return {
        "catalog": {"providers": {"gitea": {"main": entry}}},
        "integrations": {"gitea": [{"host": address, "baseUrl": f"http://{address}", "password": "pw"}]},
    }


async def task_of(bench: ServiceBench) -> dict[str, Any]:
    tasks = (await bench.get(TASKS)).json()["tasks"]
    [task] = [each for each in tasks if each["taskId"] != "measures:collect"]
    found: dict[str, Any] = task
    return found


async def test_a_round_that_fails_is_told_and_the_service_goes_on(tmp_path: Path) -> None:
    async with running_service(tmp_path, overlay=overlay(closed_port())) as bench:
        deadline = time.monotonic() + 20
        while (await task_of(bench))["taskState"] is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert (await task_of(bench))["taskId"] == TASK
        assert (await bench.post(f"{TASKS}/{TASK}/trigger")).status_code == 200
        while "lastRunError" not in (await task_of(bench))["taskState"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert "failed" in (await task_of(bench))["taskState"]["lastRunError"]
        unknown = await bench.post(f"{TASKS}/unknown/trigger")
        assert (unknown.status_code, unknown.json()["error"]["message"]) == (404, "Task unknown does not exist")
        await bench.assert_works()


async def test_the_plugins_of_the_service_itself_become_an_api(tmp_path: Path) -> None:
    providers = {"backstageOpenapi": {"plugins": ["catalog", "scaffolder"]}}
    async with running_service(tmp_path, overlay={"catalog": {"providers": providers}}) as bench:
        path = "/api/catalog/entities/by-name/api/default/internal_backstage_openapi_doc"
        deadline = time.monotonic() + 30
        while (answer := await bench.get(path)).status_code == 404:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        document = json.loads(answer.json()["spec"]["definition"])
        assert document["paths"]["/api/catalog/entities"]["get"]["tags"] == ["catalog"]
        assert document["paths"]["/api/scaffolder/v2/tasks"]["post"]["tags"] == ["scaffolder"]


async def test_tasks_are_shown_to_nobody_who_does_not_sign_in(tmp_path: Path) -> None:
    async with running_service(tmp_path, overlay=overlay(closed_port())) as bench:
        for method, path in (("GET", TASKS), ("POST", f"{TASKS}/{TASK}/trigger")):
            answer = await bench.client.request(method, path, headers={"authorization": ""})
            assert answer.status_code == 401, path


def test_what_is_not_configured_is_not_loaded() -> None:
    """Providers and their clients cost memory: the service imports those of its configuration only."""
    script = """
import sys
import understage.app
from understage.catalog.providers.registry import installed_providers
from understage.sdk import ProviderSetup
assert installed_providers(ProviderSetup(None, None, None, {"catalog": {"providers": {}}})) == []
loaded = [name for name in sys.modules if name.startswith("understage.catalog.providers.")]
print(sorted(name.removeprefix("understage.catalog.providers.") for name in loaded))
print([name for name in ("cronsim", "understage.integrations.forge_api") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    providers, libraries = ran.stdout.splitlines()
    assert not any(forge in providers for forge in ("github", "gitlab", "gitea", "bitbucket", "discovery"))
    assert libraries == "[]"
