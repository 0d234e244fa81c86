"""Owners of tasks that are silent: who is gone loses its leases at once, who may be there keeps them."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.store.scaffolder_bench import Script, scaffolder

from understage.platform.database import Database
from understage.scaffolder.store.owner_sessions import hold_session
from understage.scaffolder.tasks import owners
from understage.scaffolder.tasks.owners import bury, name_owner

SILENT = "status = 'processing', lease_until = 9000000000000"


@pytest.fixture
async def task_id(database: Database, tmp_path: Path) -> AsyncIterator[str]:
    async with scaffolder(database, tmp_path, Script(), limit=0) as bench:
        yield await bench.create("any")


async def own(database: Database, owner: str | None, *, heard: int = 0) -> None:
    """The task is the owner's, who was last heard of at that time."""
    async with database.write() as connection:
        values = {"owner": owner, "heard": heard}
        await connection.execute(text(f"UPDATE tasks SET {SILENT}, owner = :owner, last_heartbeat_at = :heard"), values)


async def is_kept(database: Database) -> bool:
    async with database.read() as connection:
        return bool((await connection.execute(text("SELECT lease_until FROM tasks"))).scalar_one())


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.wait()
    assert running.stdin is not None
    running.stdin.close()


async def test_this_process_is_there(database: Database, task_id: str) -> None:
    owner = name_owner(database)
    await own(database, owner)
    other = database.separate()
    try:
        async with other.write() as connection:
            if database.dialect == "postgresql":
                await hold_session(connection, owner)
                await hold_session(connection, owner)
        assert await bury(database, own="x", silence=3) == []
        assert await is_kept(database)
    finally:
        await other.close()
    if database.dialect == "postgresql":  # the session has ended
        assert await bury(database, own="x", silence=3) == [owner]
        assert not await is_kept(database)


@pytest.mark.parametrize("owner", ["x", "0123456789abcdef", "session", "process", None])
async def test_of_other_names_nothing_is_known(database: Database, task_id: str, owner: str | None) -> None:
    await own(database, owner)
    assert await bury(database, own="y", silence=3) == []
    assert await is_kept(database)


async def test_who_was_heard_of_is_not_looked_at(database: Database, task_id: str) -> None:
    gone = "session-gone" if database.dialect == "postgresql" else f"process-x-{owners._numbering()}-4194304-1"
    await own(database, gone, heard=9_000_000_000_000)
    assert await bury(database, own="x", silence=3) == []
    await own(database, gone)
    assert await bury(database, own=gone, silence=3) == []
    assert await bury(database, own="x", silence=3) == [gone]
    assert not await is_kept(database)


def test_a_process_is_known_by_its_number_and_its_start(process: "subprocess.Popen[bytes]") -> None:
    here, started = owners._numbering(), owners._started(process.pid)
    assert owners._has_ended(f"process-x-{here}-{process.pid}-{started}") is False
    assert owners._has_ended(f"process-x-{here}-{process.pid}-1") is True, "another has its number now"
    assert owners._has_ended(f"process-x-elsewhere-{process.pid}-1") is False, "numbers of another machine"
    assert owners._has_ended(f"process-x-{here}-1-{owners._started(1)}") is False
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owners._has_ended(f"process-x-{here}-{process.pid}-{started}") is True, "nobody has seen its end yet"
    process.wait()
    assert owners._has_ended(f"process-x-{here}-{process.pid}-{started}") is True
