"""Background work of one process: loops that repeat until the service stops and survive their failures, and what trails them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[bool | None]]

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 60.0


class Loop:
    """Runs `job` every `interval` seconds, or at once when woken.

    A job that returns True has more to do and runs again without a pause. A job that raises is logged and tried again after
    1 s, doubling up to 60 s, with jitter; `last_error` tells health checks about it.
    """

    def __init__(self, name: str, job: Job, *, interval: float) -> None:
        self.name = name
        self.last_error: Exception | None = None
        self._job = job
        self._interval = interval
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in the running event loop."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    def wake(self) -> None:
        """Run the job now instead of at the end of the pause."""
        self._wake.set()

    async def stop(self) -> None:
        """Cancel the job where it stands and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        backoff = FIRST_BACKOFF
        while True:
            self._wake.clear()
            try:
                more = await self._job()
                self.last_error = None
                backoff = FIRST_BACKOFF
                if not more:
                    await self._pause(self._interval)
            except Exception as error:
                self.last_error = error
                log.exception("background job failed", job=self.name, next_try_in=round(backoff, 1))
                await asyncio.sleep(backoff * random.uniform(0.8, 1.2))
                backoff = min(backoff * 2, LONGEST_BACKOFF)

    async def _pause(self, seconds: float) -> None:
        # Not by wait_for: before Python 3.12 it loses a cancel that comes together with the wake-up, and `stop` waits for ever.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()


class Trailing:
    """One piece of work that goes on while its owner prepares the next: `begin` follows `end`, so they end in order."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start it; nothing may be under way."""
        self._task = asyncio.create_task(work)

    async def end(self) -> bool:
        """Wait for what is under way; raises what that raised. False when nothing is. A caller that is cancelled leaves it."""
        task = self._task
        if task is None:
            return False
        try:
            await asyncio.shield(task)
        finally:
            if task.done():
                self._task = None
        return True

    async def settle(self) -> None:
        """Wait for its end, however it ends."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
