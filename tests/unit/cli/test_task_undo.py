"""`understage task undo`, as it is called, of a task that a service ran; the local git server of a folder."""

import asyncio
import json
from pathlib import Path

from tests.unit.cli.test_action_commands import run_command

from understage.app import create_service
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.identity.credentials import Credentials
from understage.model.template import API_VERSION
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.tasks.creation import NewTask

CONFIG = {
    "backend": {
        "baseUrl": "http://localhost:7007",
        "database": {"client": "better-sqlite3", "connection": {"directory": "."}},
    },
    "understage": {"dataDirectory": "."},
}


async def run_task(folder: Path) -> str:
    step = {"id": "p", "name": "p", "action": "publish:repository", "input": {"owner": "acme", "name": "shop"}}
    write = {
        "id": "w",
        "name": "w",
        "action": "catalog:write",
        "input": {"entity": {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "shop"}}},
    }
    spec = {"apiVersion": API_VERSION, "steps": [write, step], "output": {}, "parameters": {}, "user": {}}
    configuration = Configuration(CONFIG)
    service = await create_service(configuration, read_settings(configuration), root=folder, standalone=True)
    await service.start()
    try:
        secrets = complete_secrets({}, Credentials.service("plugin:scaffolder"), None)
        task_id = await service.scaffolder.submit(NewTask(spec, secrets))
        async with asyncio.timeout(60):
            while (await service.scaffolder.get(task_id)).stored.status != "completed":
                await asyncio.sleep(0.05)
    finally:
        await service.stop()
    return task_id


async def test_the_command_takes_away_what_a_task_of_the_service_made(tmp_path: Path) -> None:
    (tmp_path / "app-config.yaml").write_text(json.dumps(CONFIG))
    task_id = await run_task(tmp_path)
    [repository] = tmp_path.rglob("shop.git")
    dry = await asyncio.to_thread(run_command, tmp_path, "task", "undo", task_id, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "Would delete the repository acme/shop on localhost:7007" in dry.stdout
    assert repository.is_dir()
    done = await asyncio.to_thread(run_command, tmp_path, "task", "undo", task_id)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not repository.exists()
    again = await asyncio.to_thread(run_command, tmp_path, "task", "undo", task_id)
    assert (again.returncode, "is gone already" in again.stdout) == (0, True)
    unknown = await asyncio.to_thread(run_command, tmp_path, "task", "undo", "no-such-task")
    assert (unknown.returncode, "No task with id" in unknown.stderr) == (2, True)
