"""A SQLite database that is closed leaves no thread of the driver behind, whoever was cancelled while using it."""

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from understage.platform.database import Database, connect_sqlite_file

ROUNDS = 60


@pytest.fixture
def failed() -> Iterator[list[str]]:
    """What threads died of, other than pytest's own record: that one comes after the test."""
    found: list[str] = []
    before = threading.excepthook
    threading.excepthook = lambda arguments: found.append(repr(arguments.exc_value))
    yield found
    threading.excepthook = before


def threads() -> list[threading.Thread]:
    """Those of the driver."""
    return [thread for thread in threading.enumerate() if "_connection_worker" in thread.name]


async def use(database: Database, *, is_writer: bool) -> None:
    async with database.write() if is_writer else database.read() as connection:
        for _ in range(3):
            await connection.execute(text("SELECT 1"))


async def cancel_and_close(file: Path, seconds: float) -> int:
    """How many of the driver's threads are left after the database was closed."""
    database = connect_sqlite_file(file)
    tasks = [asyncio.create_task(use(database, is_writer=bool(number % 2))) for number in range(6)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await database.close()
    return len(threads())


def test_no_thread_outlives_its_database_or_its_loop(tmp_path: Path, failed: list[str]) -> None:
    rng = random.Random(1)
    known = len(threads())
    left = [asyncio.run(cancel_and_close(tmp_path / "x.sqlite", rng.uniform(0, 0.01))) for _ in range(ROUNDS)]
    assert left == [known] * ROUNDS
    assert failed == []


async def test_a_connection_that_is_still_in_use_is_closed_with_the_database(tmp_path: Path) -> None:
    known = set(threads())
    database = connect_sqlite_file(tmp_path / "x.sqlite")
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
        assert set(threads()) - known
        await database.close()
        assert set(threads()) == known
        # Who has it is told so, and does not wait for an answer that never comes.
        with pytest.raises(OperationalError, match=r"Connection closed|no active connection"):
            await connection.execute(text("SELECT 1"))
