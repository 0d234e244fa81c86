"""One transaction for what several runs of this process have to store at the same time. Called by `journal`.

While a transaction is on its way, others gather for the next one: as many tasks at once cost the database about what one does.
Each entry is under the fence and the number of its own run; one that is refused, or breaks, does not concern the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database
from understage.scaffolder.store.advance_journals import Advance, State, advance_journals
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.tasks.outage import is_outage

Write = Callable[[AsyncConnection], Awaitable[None]]

MOST_AT_ONCE = 100
GATHER_SECONDS = 0.02
"""How long after one transaction for others the next begins at the soonest; a run that is alone does not wait."""


@dataclass(frozen=True)
class Entry:
    """What one run stores at once."""

    advance: Advance
    events: Sequence[NewEvent] = ()
    writes: Sequence[Write] = ()


@dataclass(frozen=True)
class _Waiting:
    entry: Entry
    state: "asyncio.Future[State]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Commits:
    """Commits entries. `sender` names this process to itself, see `store.notify`. Belongs to one event loop."""

    def __init__(self, database: Database, sender: str) -> None:
        self._database = database
        self._sender = sender
        self._waiting: list[_Waiting] = []
        self._work: asyncio.Task[None] | None = None
        self._last: frozenset[str] = frozenset()
        self._not_before = 0.0

    async def store(self, entry: Entry) -> State:
        """Store it, one entry of a run at a time; returns when that is durable, and raises what kept it from being so.

        What the answer means, `advance_journals` says; unless it is "open", nothing was written.
        """
        waiting = _Waiting(entry)
        self._waiting.append(waiting)
        if self._work is None:
            self._work = asyncio.create_task(self._store_all(), name="commits of tasks")
        return await waiting.state

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                together, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._store_together(together)
        finally:
            self._work = None

    async def _gather(self) -> None:
        """Where several run, those who come soon go together."""
        now = time.monotonic()
        if now < self._not_before and not self._last.issuperset(each.entry.advance.task_id for each in self._waiting):
            await asyncio.sleep(self._not_before - now)
        self._last = frozenset(each.entry.advance.task_id for each in self._waiting)
        self._not_before = time.monotonic() + GATHER_SECONDS

    async def _store_together(self, together: Sequence[_Waiting]) -> None:
        entries = [each.entry for each in together]
        is_one_statement = not any(entry.writes for entry in entries)
        transaction = self._database.write_once if is_one_statement else self._database.write
        try:
            async with transaction() as connection:
                states = await self._write(connection, entries)
        except Exception as error:
            if len(together) == 1 or is_outage(error):
                for each in together:
                    _answer(each, error)
                return
            for each in together:  # whose fault it was shows by itself
                await self._store_together([each])
            return
        except BaseException as error:
            for each in together:
                _answer(each, error)
            raise
        for each in together:
            _answer(each, states[each.entry.advance.task_id])

    async def _write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> Mapping[str, State]:
        events = [event for entry in entries for event in entry.events]
        states = await advance_journals(connection, [entry.advance for entry in entries], events, sender=self._sender)
        for entry in entries:
            if states[entry.advance.task_id] == "open":
                for write in entry.writes:
                    await write(connection)
        return states


def _answer(waiting: _Waiting, answer: State | BaseException) -> None:
    if waiting.state.done():
        return
    if isinstance(answer, BaseException):
        waiting.state.set_exception(answer)
    else:
        waiting.state.set_result(answer)
