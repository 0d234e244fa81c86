"""All that one run writes, in order and under its fence: log lines in small batches, steps and checkpoints at once.

Each transaction raises the task's journal number. So a transaction whose answer was lost with the connection is recognised
as committed, and a run whose task was taken over, ended or reopened gets `LostTaskError` and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from understage.scaffolder.steps.run import LostTaskError
from understage.scaffolder.store.advance_journals import Advance
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.tasks.commits import Commits, Entry, Write
from understage.scaffolder.tasks.outage import through_outage

BATCH_SECONDS = 0.1
BATCH_LINES = 500


class Journal:
    """The journal of one claim. `changed` is told after each commit."""

    def __init__(
        self, commits: Commits, task_id: str, *, fence: int, number: int, changed: Callable[[str], None]
    ) -> None:
        self.task_id = task_id
        self._commits = commits
        self._fence = fence
        self._number = number
        self._changed = changed
        self._lines: list[NewEvent] = []
        self._writes: list[Write] = []
        self._leaves_results = number > 0
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
        self, events: Sequence[NewEvent] = (), write: Write | None = None, *, progress: bool = False, last: bool = False
    ) -> None:
        """Store the lines so far, `events` and what `write` does, in one transaction.

        `progress` clears the count of deaths; `last` is the engine's end of the run and passes a closed journal.
        A cancelled caller does not interrupt it: half a transaction would leave the number in doubt.
        """
        if not last:
            self._check()
        await self._spawn_shielded(events, write, progress=progress)

    async def finish(self, status: str, event: NewEvent, forget: Write) -> None:
        """End the task: as `commit`, with its final status. `forget` erases results that nobody needs any more.

        Of a task that completed nobody needs any: those that were to be stored now are not, and where none was, none is erased.
        """
        await self._spawn_shielded([event], forget, status=status)

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

    async def _spawn_shielded(
        self, events: Sequence[NewEvent], write: Write | None, *, progress: bool = False, status: str | None = None
    ) -> None:
        await asyncio.shield(self._spawn(self._commit(events, write, progress=progress, status=status)))

    async def _flush_soon(self) -> None:
        await asyncio.sleep(BATCH_SECONDS)
        self._flusher = None
        if self._lines:
            await self._commit((), None)

    async def _commit(
        self, events: Sequence[NewEvent], write: Write | None, *, progress: bool = False, status: str | None = None
    ) -> None:
        async with self._lock:
            batch = [*self._lines, *events]
            progress = progress or bool(self._writes)
            writes = [*self._writes, *([] if write is None else [write])]
            if status == "completed":
                writes = [write] if write is not None and self._leaves_results else []
            self._leaves_results = self._leaves_results or bool(writes)
            self._lines.clear()
            self._writes.clear()
            entry = Entry(Advance(self.task_id, self._fence, self._number, progress, status), batch, writes)
            attempts = 0

            async def attempt() -> None:
                nonlocal attempts
                attempts += 1
                state = await self._commits.store(entry)
                if state == "open" or (state == "done" and attempts > 1):
                    return
                self.close()
                raise LostTaskError(f"Task {self.task_id} belongs to another worker, or has ended")

            await through_outage(attempt, name="task journal")
            self._number += 1
        self._changed(self.task_id)
