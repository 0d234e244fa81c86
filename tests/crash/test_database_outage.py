"""PostgreSQL goes away while tasks run, and comes back: they go on, nothing is done twice, and health says so meanwhile.

It is away for some seconds, and the leases are past when it comes back; `make test-crash` takes the minute
(UNDERSTAGE_OUTAGE_SECONDS=60).
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.databases import PostgresServer
from tests.engines import EngineChoice
from tests.store.scaffolder_bench import FAST, Bench, Script, lapse, scaffolder

from understage.errors import ServiceUnavailableError
from understage.platform.database import Database
from understage.scaffolder.steps.run import TaskRun
from understage.scaffolder.tasks.outage import through_outage

pytestmark = pytest.mark.postgres
AWAY = float(os.environ.get("UNDERSTAGE_OUTAGE_SECONDS", "5"))


async def until_well(bench: Bench, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while await reason(bench) is not None:
            await asyncio.sleep(0.05)


async def until_unwell(bench: Bench, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while await reason(bench) is None:
            await asyncio.sleep(0.05)
    assert "Tasks cannot be run at the moment" in str(await reason(bench))


async def reason(bench: Bench) -> ServiceUnavailableError | None:
    try:
        await bench.service.check()
    except ServiceUnavailableError as error:
        return error
    return None


@pytest.mark.timeout(300)
async def test_tasks_go_on_when_the_database_is_back(
    postgres_server: PostgresServer, postgres_database: Database, tmp_path: Path, task_engine: EngineChoice
) -> None:
    effects: list[str] = []

    async def act(run: TaskRun) -> Mapping[str, Any]:
        effects.append(str(run.current_step))  # type: ignore[attr-defined]
        await run.log("at work")
        await asyncio.sleep(1)
        return {}

    script = Script(act=act)
    # Two workers: the one that does not run a task finds its lease past when the database is back, and waits for a renewal.
    async with (
        scaffolder(postgres_database, tmp_path, script, times=FAST) as bench,
        scaffolder(postgres_database.separate(), tmp_path, script, times=FAST) as other,
    ):
        ids = [await bench.create("act", "act", "act") for _ in range(4)]
        await bench.until(lambda: len(effects) >= 6, 60)
        postgres_server.end()
        ended = time.monotonic()
        try:
            for each in (bench, other):
                await until_unwell(each)
            await asyncio.sleep(AWAY - (time.monotonic() - ended))
        finally:
            postgres_server.begin()
        began = time.monotonic()
        for _ in range(
            20
        ):  # as after an outage that outlasted the leases: again and again, for they are renewed at once
            await through_outage(lambda: lapse(postgres_database), name="lapse", patience=20)
            await asyncio.sleep(0.05)
        await until_well(bench)
        for task_id in ids:
            assert await bench.status(task_id, seconds=40) == "completed"
        print(f"\naway for {AWAY:g} s; all tasks had ended {time.monotonic() - began:.1f} s later")
        events = [await bench.events(task_id) for task_id in ids]
        await other.service._database.close()
    assert sorted(effects) == sorted(["s1", "s2", "s3"] * 4), "no step was done twice"
    if not task_engine.address:  # Temporal tries again what could not be claimed meanwhile, which is told as a recovery
        assert not any(event["type"] == "recovered" for one in events for event in one)


async def test_announcements_are_heard_again_after_a_restart(
    postgres_server: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    async def note(_run: TaskRun) -> Mapping[str, Any]:
        return {}

    # Who only polls finds a task of another process after half a minute.
    slow = replace(FAST, poll=30)
    async with (
        scaffolder(postgres_database, tmp_path, Script(note=note), times=slow) as bench,
        scaffolder(postgres_database.separate(), tmp_path, Script(), limit=0) as other,
    ):
        await _until_heard(postgres_database)
        assert await other.status(await other.create("note"), seconds=20) == "completed"
        postgres_server.restart()
        await _until_heard(postgres_database)
        # The first announcement may be lost on a pooled connection that broke with the restart; it is found to be so by that.
        ids = []
        for _ in range(3):
            ids.append(await other.create("note"))
            await asyncio.sleep(0.5)
        for task_id in ids:
            assert await other.status(task_id, seconds=10) == "completed"
        await bench.service.check()
        await other.service._database.close()


async def _until_heard(database: Database) -> None:
    """Wait until both listen: what is announced before that, only polling finds."""
    async with asyncio.timeout(30):
        while await _listeners(database) < 2:
            await asyncio.sleep(0.1)


async def _listeners(database: Database) -> int:
    try:
        async with database.read() as connection:
            statement = text("SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN %'")
            return int((await connection.execute(statement)).scalar_one())
    except Exception:
        return 0
