"""All that one run writes, in order and under its fence: log lines in small batches, steps and checkpoints at once.

Each transaction raises the task's journal number. So a transaction whose answer was lost with the connection is recognised
as committed, and a run whose task was taken over, ended or reopened gets `LostTaskError` and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database
from understage.scaffolder.steps.run import LostTaskError
from understage.scaffolder.store.advance_journal import advance_journal
from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.notify import notify
from understage.scaffolder.tasks.outage import through_outage

Write = Callable[[AsyncConnection], Awaitable[None]]

BATCH_SECONDS = 0.1
BATCH_LINES = 500


async def _nothing(_connection: AsyncConnection) -> None:
    """Events only."""


class Journal:
    """The journal of one claim. `changed` is told after each commit."""

    def __init__(
        self, database: Database, task_id: str, *, fence: int, number: int, changed: Callable[[str], None]
    ) -> None:
        self.task_id = task_id
        self._database = database
        self._fence = fence
        self._number = number
        self._changed = changed
        self._lines: list[NewEvent] = []
        self._writes: list[Write] = []
        self._lock = asyncio.Lock()
        self._flusher: asyncio.Task[None] | None = None
        self._is_open = True
        self._work: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Refuse whatever comes later; what is under way ends."""
        self._is_open = False

    async def add(self, event: NewEvent) -> None:
        """Note an event; it is stored within `BATCH_SECONDS`, and before anything that is noted later."""
        self._check()
        self._lines.append(event)
        if len(self._lines) >= BATCH_LINES:
            await self.commit()
        elif self._flusher is None:
            self._flusher = self._spawn(self._flush_soon())

    async def add_with(self, event: NewEvent, write: Write) -> None:
        """Note an event that says what `write` does, which clears the count of deaths; both go into one transaction, the next."""
        self._check()
        self._writes.append(write)
        await self.add(event)

    async def commit(
        self, events: Sequence[NewEvent] = (), write: Write = _nothing, *, progress: bool = False, last: bool = False
    ) -> None:
        """Store the lines so far, `events` and what `write` does, in one transaction.

        `progress` clears the count of deaths; `last` is the engine's end of the run and passes a closed journal.
        A cancelled caller does not interrupt it: half a transaction would leave the number in doubt.
        """
        if not last:
            self._check()
        await asyncio.shield(self._spawn(self._commit(events, write, progress=progress)))

    async def settle(self) -> None:
        """Wait for what is under way."""
        if self._work:
            await asyncio.wait(set(self._work))

    def _check(self) -> None:
        if not self._is_open:
            raise LostTaskError(f"Task {self.task_id} is not run here any more")

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        self._work.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waited for it was told

    async def _flush_soon(self) -> None:
        await asyncio.sleep(BATCH_SECONDS)
        self._flusher = None
        if self._lines:
            await self._commit((), _nothing, progress=False)

    async def _commit(self, events: Sequence[NewEvent], write: Write, *, progress: bool) -> None:
        async with self._lock:
            batch, writes = [*self._lines, *events], [*self._writes, write]
            progress = progress or bool(self._writes)
            self._lines.clear()
            self._writes.clear()
            attempts = 0

            async def attempt() -> None:
                nonlocal attempts
                attempts += 1
                async with self._database.write() as connection:
                    state = await advance_journal(
                        connection, self.task_id, fence=self._fence, journal=self._number, progress=progress
                    )
                    if state == "done" and attempts > 1:
                        return
                    if state != "open":
                        self.close()
                        raise LostTaskError(f"Task {self.task_id} belongs to another worker, or has ended")
                    await append_events(connection, batch)
                    for each in writes:
                        await each(connection)
                    await notify(connection, "event", self.task_id)

            await through_outage(attempt, name="task journal")
            self._number += 1
        self._changed(self.task_id)
