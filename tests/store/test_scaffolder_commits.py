"""Runs that store at the same time share a transaction, and nothing else; and a new task is run by whoever creates it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.store.scaffolder_bench import FAST, Script, answer, hang, scaffolder

from understage.platform.database import Database
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.steps.run import LostTaskError
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.store.claim_tasks import Claim, claim_tasks
from understage.scaffolder.store.create_task import Holder, NewRow, create_held_task, create_open_tasks
from understage.scaffolder.store.notify import read_news
from understage.scaffolder.store.renew_leases import renew_leases
from understage.scaffolder.tasks import commits
from understage.scaffolder.tasks.commits import Commits
from understage.scaffolder.tasks.database_engine import DatabaseEngine
from understage.scaffolder.tasks.engine import RunControl
from understage.scaffolder.tasks.insertions import Insertions
from understage.scaffolder.tasks.journal import Journal

TASKS = ("a", "b", "c", "d")


class Counting:
    """A database that counts transactions which write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self.count += 1
        return self._database.write()

    def write_once(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self.count += 1
        return self._database.write_once()


def new_row(task_id: str) -> NewRow:
    return NewRow(task_id, spec="{}", secrets=b"x", created_by=None, is_recoverable=False)


async def journals(database: Database, counting: Counting) -> dict[str, Journal]:
    async with database.write() as connection:
        await create_open_tasks(connection, [new_row(task_id) for task_id in TASKS])
        claims = await claim_tasks(connection, owner="here", limit=10, lease_ms=60_000)
    shared = Commits(counting, "here")  # type: ignore[arg-type] # behaves as a database
    return {
        claim.task_id: Journal(shared, claim.task_id, fence=claim.fence, number=0, changed=lambda _task: None)
        for claim in claims
    }


async def stored(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(await connection.scalars(text("SELECT task_id FROM task_events ORDER BY id")))


def line(task_id: str) -> NewEvent:
    return NewEvent(task_id, "log", {"message": "x"})


async def test_what_is_stored_at_the_same_time_is_one_transaction(database: Database) -> None:
    counting = Counting(database)
    opened = await journals(database, counting)
    await asyncio.gather(*[journal.commit([line(task_id)] * 3) for task_id, journal in opened.items()])
    assert counting.count == 1
    assert sorted(await stored(database)) == sorted(TASKS * 3)


async def test_where_several_run_those_who_come_soon_go_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(database)
    opened = await journals(database, counting)
    monkeypatch.setattr(commits, "GATHER_SECONDS", 1.0)
    await opened["a"].commit([line("a")])

    async def later(task_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await opened[task_id].commit([line(task_id)])

    await asyncio.gather(*[later(task_id, number / 10) for number, task_id in enumerate("bcd")])
    assert counting.count == 2
    assert sorted(await stored(database)) == sorted(TASKS)


async def test_one_that_runs_alone_waits_for_nobody(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(database)
    opened = await journals(database, counting)
    monkeypatch.setattr(commits, "GATHER_SECONDS", 3600.0)
    for _ in range(3):
        await opened["a"].commit([line("a")])
    assert counting.count == 3


async def test_what_comes_while_a_transaction_is_on_its_way_goes_into_the_next(database: Database) -> None:
    counting = Counting(database)
    opened = await journals(database, counting)

    async def slow(_connection: AsyncConnection) -> None:
        await asyncio.sleep(0.2)

    first = asyncio.create_task(opened["a"].commit([line("a")], slow))
    await asyncio.sleep(0.1)
    await asyncio.gather(*[opened[task_id].commit([line(task_id)]) for task_id in "bcd"])
    await first
    assert counting.count == 2
    assert (await stored(database))[0] == "a"


async def test_a_run_that_lost_its_task_does_not_keep_others_from_storing(database: Database) -> None:
    opened = await journals(database, Counting(database))
    async with database.write() as connection:
        await connection.execute(text("UPDATE tasks SET fence = fence + 1 WHERE id = 'b'"))
    results = await asyncio.gather(
        *[opened[task_id].commit([line(task_id)]) for task_id in TASKS], return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), LostTaskError, type(None), type(None)]
    assert sorted(await stored(database)) == ["a", "c", "d"]


async def test_what_breaks_breaks_for_its_own_run_only(database: Database) -> None:
    counting = Counting(database)
    opened = await journals(database, counting)

    async def broken(_connection: AsyncConnection) -> None:
        raise ValueError("no such thing")

    results = await asyncio.gather(
        *[opened[task_id].commit([line(task_id)], broken if task_id == "c" else None) for task_id in TASKS],
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), type(None), ValueError, type(None)]
    assert sorted(await stored(database)) == ["a", "b", "d"]
    await asyncio.gather(*[journal.commit([line(task_id)]) for task_id, journal in opened.items()])
    assert sorted(await stored(database)) == ["a", "a", "b", "b", "c", "d", "d"]


async def test_ends_and_lines_go_together(database: Database) -> None:
    opened = await journals(database, Counting(database))

    async def forget(_connection: AsyncConnection) -> None:
        raise AssertionError("nothing was stored that could be forgotten")

    end = NewEvent("a", "completion", {"message": "done"})
    await asyncio.gather(opened["a"].finish("completed", end, forget), opened["b"].commit([line("b")]))
    async with database.read() as connection:
        rows = (
            await connection.execute(text("SELECT id, status, owner, secrets IS NULL FROM tasks ORDER BY id"))
        ).all()
    assert [tuple(row) for row in rows[:2]] == [("a", "completed", None, True), ("b", "processing", "here", False)]
    with pytest.raises(LostTaskError):
        await opened["a"].commit([line("a")])


async def test_results_that_were_stored_are_forgotten_at_the_end(database: Database) -> None:
    opened = await journals(database, Counting(database))
    calls: list[str] = []

    async def note(_connection: AsyncConnection) -> None:
        calls.append("written")

    async def forget(_connection: AsyncConnection) -> None:
        calls.append("forgotten")

    await opened["a"].commit([line("a")], note)
    await opened["a"].add_with(line("a"), note)
    await opened["a"].finish("completed", NewEvent("a", "completion"), forget)
    assert calls == ["written", "forgotten"]


async def test_renewals_and_commits_of_many_tasks_never_wait_in_a_circle(postgres_database: Database) -> None:
    opened = await journals(postgres_database, Counting(postgres_database))
    other = postgres_database.separate()

    async def renew() -> None:
        for number in range(60):
            async with other.write() as connection:
                asked = TASKS if number % 2 else TASKS[::-1]
                assert len(await renew_leases(connection, asked, owner="here", lease_ms=60_000)) == len(TASKS)

    async def store() -> None:
        for number in range(60):
            order = TASKS if number % 2 else TASKS[::-1]
            await asyncio.gather(*[opened[task_id].commit([line(task_id)]) for task_id in order])

    try:
        async with asyncio.timeout(60):
            await asyncio.gather(renew(), store())
    finally:
        await other.close()
    assert len(await stored(postgres_database)) == 60 * len(TASKS)


async def test_a_new_task_is_run_by_whoever_creates_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any claim: the engine is kept from making one after its first look."""
    async with scaffolder(database, tmp_path, Script(one=answer())) as bench:
        assert await bench.status(await bench.create("one")) == "completed"

        async def no_claim(*_: object, **__: object) -> None:
            raise AssertionError("a claim was made")

        await asyncio.sleep(0.5)
        monkeypatch.setattr("understage.scaffolder.tasks.database_engine.DatabaseEngine._fill", no_claim)
        task_id = await bench.create("one")
        assert await bench.status(task_id) == "completed"
        [fence] = await _column(database, f"SELECT fence FROM tasks WHERE id = '{task_id}'")
    assert fence == 1


async def test_where_tasks_wait_a_new_one_waits_too(database: Database, tmp_path: Path) -> None:
    script = Script(hang=hang, one=answer())
    async with scaffolder(database, tmp_path, script, limit=1) as bench:
        running = await bench.create("hang")
        waiting = [await bench.create("one") for _ in range(3)]
        assert await _column(database, "SELECT status FROM tasks ORDER BY seq") == ["processing", *["open"] * 3]
        await bench.http.post(f"/v2/tasks/{running}/cancel")
        for task_id in waiting:
            assert await bench.status(task_id) == "completed"
    assert [task_id for task_id, _ in script.ran] == [running, *waiting]


async def test_a_task_created_while_its_process_stops_is_left_to_others(database: Database) -> None:
    started: list[str] = []

    async def execute(claim: Claim, _control: RunControl) -> None:
        started.append(claim.task_id)

    engine = DatabaseEngine(database, execute, TaskSignals(), limit=1, times=FAST)
    await engine.start()
    await asyncio.sleep(0.5)  # it has looked, and found nothing

    async def store(holder: Holder | None) -> Claim | None:
        async with database.write_once() as connection:
            assert holder is not None
            claim = await create_held_task(connection, new_row("a"), holder)
        await engine.stop()
        return claim

    await engine.place(store)
    assert started == []
    async with database.write() as connection:
        [claim] = await claim_tasks(connection, owner="another", limit=1, lease_ms=60_000)
    assert (claim.fence, claim.deaths) == (2, 0)


def test_a_process_does_not_hear_itself() -> None:
    assert read_news("event:1:here", own="here") is None
    assert read_news("event:1:there", own="here") == ("event", "1")
    assert read_news("queue:1", own="here") == ("queue", "1")  # of a release that did not name itself


async def _column(database: Database, statement: str) -> list[object]:
    async with database.read() as connection:
        return list(await connection.scalars(text(statement)))


async def test_tasks_that_are_created_at_the_same_time_are_two_transactions(database: Database) -> None:
    counting = Counting(database)
    insertions = Insertions(counting, "here")  # type: ignore[arg-type] # behaves as a database
    await asyncio.gather(*[insertions.store(new_row(f"task-{number}")) for number in range(40)])
    assert counting.count <= 2, "the first, and all that came while it was on its way"
    assert len(await task_ids(database)) == 40


async def test_a_task_that_cannot_be_stored_does_not_concern_the_others(database: Database) -> None:
    insertions = Insertions(database, "here")
    names = ["first", "twice", "other", "twice", "last"]
    results = await asyncio.gather(*[insertions.store(new_row(name)) for name in names], return_exceptions=True)
    assert [result for result in results if result is not None] == [results[3]]
    assert isinstance(results[3], IntegrityError)
    assert await task_ids(database) == ["first", "last", "other", "twice"]


async def task_ids(database: Database) -> list[str]:
    async with database.read() as connection:
        return sorted(await connection.scalars(text("SELECT id FROM tasks")))
