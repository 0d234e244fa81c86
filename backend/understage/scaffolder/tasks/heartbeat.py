"""Keeps the leases of this process's tasks, from a thread of its own.

An action that blocks the event loop (a heavy template, a synchronous library) must not cost its process the lease, so
renewal has its own thread, event loop and database connection. What it learns (cancelling asked for, claim lost) it hands to
the engine's event loop, which acts on it as soon as it can. One that does not because an action holds it is freed: `unblocking`.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

import structlog

from understage.platform.database import Database
from understage.scaffolder.store.owner_sessions import hold_session
from understage.scaffolder.store.renew_leases import renew_leases

log = structlog.get_logger(__name__)

REPORT_SECONDS = 0.15
Owned = dict[str, tuple[int, bool]]
Report = Callable[[Mapping[str, int], Owned], None]
"""(what was watched: task -> fence, what is owned: task -> (fence, cancel requested)); called in the engine's loop."""


class Heartbeat:
    """Renews every `interval` seconds what `watched` returns (called in the thread: must be atomic)."""

    def __init__(
        self,
        connect: Callable[[], Database],
        *,
        owner: str,
        lease: float,
        interval: float,
        watched: Callable[[], Mapping[str, int]],
        report: Report,
        unblock: Callable[[Collection[str]], None],
    ) -> None:
        self._connect = connect
        self._owner = owner
        self._lease_ms = int(lease * 1000)
        self._interval = interval
        self._watched = watched
        self._report = report
        self._unblock = unblock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.problem: Exception | None = None

    def start(self) -> None:
        """Start the thread; reports go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._stop.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._beat()), name="task leases", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def _beat(self) -> None:
        database = self._connect()
        try:
            while not self._stop.is_set():
                watched = self._watched()
                if watched:
                    await self._renew(database, watched)
                else:
                    self.problem = None
                await asyncio.sleep(self._interval)
        finally:
            await database.close()

    async def _renew(self, database: Database, watched: Mapping[str, int]) -> None:
        try:
            async with database.write() as connection:
                if database.dialect == "postgresql":
                    await hold_session(connection, self._owner)
                owned = await renew_leases(connection, list(watched), owner=self._owner, lease_ms=self._lease_ms)
        except Exception as error:
            # Nothing is lost yet: the fence decides when the database is back.
            self.problem = error
            log.warning("the leases of running tasks could not be renewed", reason=str(error))
            return
        self.problem = None
        assert self._loop is not None
        is_taken = threading.Event()

        def report() -> None:
            is_taken.set()
            self._report(watched, owned)

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(report)
        unwanted = [task_id for task_id, fence in watched.items() if owned.get(task_id) != (fence, False)]
        if unwanted:
            await asyncio.sleep(REPORT_SECONDS)
            if not is_taken.is_set():
                self._unblock(unwanted)
