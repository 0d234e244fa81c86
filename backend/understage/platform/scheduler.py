"""Background jobs of one process: loops that repeat until the service stops, and survive their own failures."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

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
