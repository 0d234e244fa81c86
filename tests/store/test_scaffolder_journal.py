"""What a run writes under its fence, when connections, claims and callers come and go."""

import asyncio

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database
from understage.scaffolder.steps.run import LostTaskError
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.store.claim_tasks import Claim, claim_tasks
from understage.scaffolder.store.create_task import NewRow, create_open_tasks
from understage.scaffolder.store.renew_leases import release_claim, renew_leases
from understage.scaffolder.tasks.commits import Commits
from understage.scaffolder.tasks.journal import Journal


async def claim(database: Database, owner: str = "a", lease_ms: int = 60_000) -> list[Claim]:
    async with database.write() as connection:
        return await claim_tasks(connection, owner=owner, limit=10, lease_ms=lease_ms)


async def create(database: Database, task_id: str = "t") -> None:
    async with database.write() as connection:
        row = NewRow(task_id, spec="{}", secrets=None, created_by=None, is_recoverable=False)
        await create_open_tasks(connection, [row])


async def open_journal(database: Database, claimed: Claim) -> Journal:
    commits = Commits(database, "here")
    return Journal(commits, claimed.task_id, fence=claimed.fence, number=claimed.journal, changed=lambda _task: None)


async def bodies(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(await connection.scalars(text("SELECT body FROM task_events WHERE event_type = 'log' ORDER BY id")))


def line(message: str) -> NewEvent:
    return NewEvent("t", "log", {"message": message})


async def test_lines_are_stored_in_order_and_before_what_follows(database: Database) -> None:
    await create(database)
    journal = await open_journal(database, (await claim(database))[0])
    await journal.add(line("1"))
    await journal.add(line("2"))
    await journal.commit([line("3")])
    await journal.add(line("4"))
    await asyncio.sleep(0.3)
    assert await bodies(database) == [f'{{"message":"{number}"}}' for number in range(1, 5)]


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(database: Database) -> None:
    await create(database)
    lost = _LosesAnswers(database)
    journal = await open_journal(lost, (await claim(database))[0])  # type: ignore[arg-type] # behaves as a database
    await journal.commit([line("once")])
    await journal.commit([line("and on")])
    assert lost.count == 1
    assert await bodies(database) == ['{"message":"once"}', '{"message":"and on"}']


async def test_a_commit_that_failed_is_made_again(database: Database) -> None:
    await create(database)
    journal = await open_journal(database, (await claim(database))[0])
    failures = [exc.OperationalError("x", {}, Exception("gone")), exc.OperationalError("x", {}, Exception("gone"))]

    async def write(_connection: AsyncConnection) -> None:
        if failures:
            raise failures.pop()

    await journal.commit([line("once")], write)
    assert await bodies(database) == ['{"message":"once"}']


async def test_a_cancelled_caller_leaves_a_whole_commit_and_a_journal_that_goes_on(database: Database) -> None:
    await create(database)
    journal = await open_journal(database, (await claim(database))[0])

    async def slow(_connection: AsyncConnection) -> None:
        await asyncio.sleep(0.2)

    caller = asyncio.create_task(journal.commit([line("first")], slow))
    await asyncio.sleep(0.1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await journal.commit([line("second")])
    assert await bodies(database) == ['{"message":"first"}', '{"message":"second"}']


async def test_an_older_claim_cannot_write(database: Database) -> None:
    await create(database)
    [first] = await claim(database, "a", lease_ms=-1)
    old = await open_journal(database, first)
    [second] = await claim(database, "b")
    assert second.fence == first.fence + 1
    assert second.resumed
    assert await claim(database, "c") == []
    for _ in range(2):
        with pytest.raises(LostTaskError):
            await old.commit([line("from the past")])
    await (await open_journal(database, second)).commit([line("present")])
    assert await bodies(database) == ['{"message":"present"}']
    async with database.write() as connection:
        assert await renew_leases(connection, ["t"], owner="a", lease_ms=1000) == {}
        assert await renew_leases(connection, ["t"], owner="b", lease_ms=1000) == {"t": (second.fence, False)}


async def test_a_released_task_is_taken_at_once_and_counts_no_death(database: Database) -> None:
    await create(database)
    [first] = await claim(database)
    async with database.write() as connection:
        await release_claim(connection, "t", first.fence)
    [second] = await claim(database, "b", lease_ms=-1)
    assert (second.resumed, second.deaths) == (True, 0)
    [third] = await claim(database, "c")
    assert third.deaths == 1
    await (await open_journal(database, third)).commit([line("x")], progress=True)
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT deaths FROM tasks"))).scalar_one() == 0


async def test_what_is_run_here_is_not_taken_again_for_a_late_renewal(database: Database) -> None:
    await create(database)
    await claim(database, "a", lease_ms=-1)
    async with database.write() as connection:
        assert await claim_tasks(connection, owner="a", limit=10, lease_ms=1000, running=["t"]) == []


class _LosesAnswers:
    """A database whose first commit is made, but answered by a broken connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0

    def write_once(self) -> "_LosesAnswers":
        self._inner = self._database.write_once()
        return self

    async def __aenter__(self) -> AsyncConnection:
        return await self._inner.__aenter__()

    async def __aexit__(self, *error: object) -> bool | None:
        result = await self._inner.__aexit__(*error)  # type: ignore[arg-type] # handed through
        if self.count == 0 and error[0] is None:
            self.count += 1
            raise exc.OperationalError("COMMIT", {}, Exception("server closed the connection"))
        return result
