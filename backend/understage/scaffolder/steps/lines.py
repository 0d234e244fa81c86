"""The lines of a run on their way into its log: written at any moment by synchronous code, stored in order by one task."""

import asyncio
from contextlib import suppress

from understage.scaffolder.steps.run import StepStatus, TaskRun

_Line = tuple[str, str | None, StepStatus | None]


class Lines:
    """A queue before `TaskRun.log`. Use as `async with`: what is left at the end of the block is stored, too."""

    def __init__(self, run: TaskRun) -> None:
        self._run = run
        self._queue: asyncio.Queue[_Line] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Lines":
        """Begin to store lines."""
        self._pump = asyncio.create_task(self._keep_storing())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Store the rest; a run that lost its task drops it."""
        assert self._pump is not None
        if not self._pump.done():
            self._pump.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._pump
        with suppress(Exception):
            await self._store_all()

    def say(self, message: str, *, step_id: str | None = None, status: StepStatus | None = None) -> None:
        """Add a line to the log."""
        self._queue.put_nowait((message, step_id, status))

    async def drain(self) -> None:
        """Wait until all lines so far are noted. Raises LostTaskError."""
        assert self._pump is not None
        if self._pump.done():
            self._pump.result()  # raises what ended it
        await self._store_all()

    async def _store_all(self) -> None:
        while not self._queue.empty():
            await self._store(self._queue.get_nowait())

    async def _keep_storing(self) -> None:
        while True:
            await self._store(await self._queue.get())

    async def _store(self, line: _Line) -> None:
        message, step_id, status = line
        await self._run.log(message, step_id=step_id, status=status)
