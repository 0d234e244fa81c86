"""kill -9 in the middle of a task of a real template: another process ends it, and nothing is done twice."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.crash.road_worker import STEPS, build
from tests.store.scaffolder_bench import lapse

from understage.identity.credentials import Credentials
from understage.platform.database import Database
from understage.scaffolder.service import ScaffolderService

ROOT = Path(__file__).parents[2]


def spawn(database: Database, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.road_worker", str(database.url.database), str(folder)], cwd=ROOT
    )


async def events_of(service: ScaffolderService, task_id: str) -> list[dict[str, Any]]:
    return await service.wait_for_events(await service.get(task_id), after=None, seconds=0)


async def until(condition: Any, seconds: float = 20) -> float:
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_killed_process_loses_no_step_and_repeats_none(sqlite_database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    effects = folder / "effects"
    effects.touch()
    service, _ = build(sqlite_database, folder, limit=0)
    await service.start()
    first = spawn(sqlite_database, folder)
    second: subprocess.Popen[bytes] | None = None
    try:
        task_id = await service.create("demo", {"name": "five"}, {}, Credentials.user("user:default/anna"))

        # Said after the checkpoint: an effect whose checkpoint is not stored yet would rightly be made again.
        async def third_effect_is_stored() -> bool:
            return any(
                "doing 3 of five" in event["body"].get("message", "") for event in await events_of(service, task_id)
            )

        await until(third_effect_is_stored)
        first.kill()
        first.wait()
        await lapse(sqlite_database)
        second = spawn(sqlite_database, folder)

        async def is_resumed() -> bool:
            return any(event["type"] == "recovered" for event in await events_of(service, task_id))

        async def has_ended() -> bool:
            return (await service.get(task_id)).stored.status not in ("open", "processing")

        await until(is_resumed, 60)
        await until(has_ended, 60)
        events = await events_of(service, task_id)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()
        await service.stop()
    wanted = [f"{number} of five" for number in range(1, STEPS + 1)]
    assert effects.read_text().splitlines() == wanted
    assert events[-1]["body"]["output"] == {"lines": wanted}
    messages = [event["body"].get("message", event["type"]) for event in events]
    assert messages.count("recovered") == 1
    assert messages.count("Beginning step test:slow") == STEPS + 1
    assert "Skipping step s2 because it was already completed in a previous run" in messages


async def test_an_action_that_holds_its_process_is_cancelled_within_a_second(
    sqlite_database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    service, _ = build(sqlite_database, folder, limit=0)
    await service.start()
    worker = spawn(sqlite_database, folder)
    try:
        task_id = await service.create("child", {}, {}, Credentials.user("user:default/anna"))

        async def is_waiting() -> bool:
            return (folder / "child").exists() and bool((folder / "child").read_text().strip())

        async def has_ended() -> bool:
            return (await service.get(task_id)).stored.status not in ("open", "processing")

        await until(is_waiting, 60)
        child = int((folder / "child").read_text())
        await asyncio.sleep(0.5)
        await service.cancel(task_id)
        took = await until(has_ended)
        events = await events_of(service, task_id)
        print(f"\ncancelled after {took:.2f} s")
        assert took < 1
        assert events[-1]["body"]["error"]["message"].endswith("has been cancelled.")
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        # The worker is well: it runs the next task.
        following = await service.create("demo", {"name": "five"}, {}, Credentials.user("user:default/anna"))

        async def is_done() -> bool:
            return (await service.get(following)).stored.status == "completed"

        await until(is_done, 60)
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
        await service.stop()
