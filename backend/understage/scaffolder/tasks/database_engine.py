"""The engine on our own tables: a lease, a heartbeat and a fence on each task row; SQLite or PostgreSQL.

A new task is stored as claimed by the process that creates it, where that has room and nobody waits. Other claims are one
statement (`store.claim_tasks`), made when a task is submitted, when a run ends while tasks wait, and once a second for tasks
whose process died. How long that takes to notice: three seconds of silence plus one poll where it can be seen that the process is
gone (`owners`), else the lease plus one poll.
"""

import asyncio
import math
import time

import structlog

from understage.platform.database import Database
from understage.platform.scheduler import Loop
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.shielding import shielded
from understage.scaffolder.store.claim_tasks import claim_tasks
from understage.scaffolder.store.create_task import Holder
from understage.scaffolder.tasks.engine import EngineTimes, Execute, RunControl, StoreTask
from understage.scaffolder.tasks.outage import is_outage
from understage.scaffolder.tasks.owners import bury
from understage.scaffolder.tasks.runs import Runs

log = structlog.get_logger(__name__)


class DatabaseEngine:
    """Runs up to `limit` tasks at once in this process; 0 means that others run them."""

    def __init__(
        self,
        database: Database,
        execute: Execute,
        signals: TaskSignals,
        *,
        limit: int = 10,
        times: EngineTimes | None = None,
    ) -> None:
        self._database = database
        self._limit = limit
        self._times = times or EngineTimes()
        self._is_running = False
        self._is_queued = True
        self._placing = 0
        self._announced = -math.inf
        self._buried = -math.inf
        self._outage: Exception | None = None
        self._quiet_until = 0.0
        self._claiming = asyncio.Lock()
        self._loop = Loop("task engine", self._take_tasks, interval=self._times.poll)
        self._runs = Runs(database, execute, signals, self._times, on_end=self._on_end)

    @property
    def problem(self) -> Exception | None:
        """As the port says."""
        return self._outage or self._loop.last_error or self._runs.problem

    async def start(self) -> None:
        """As the port says."""
        if self._limit > 0:
            self._is_running = True
            self._runs.keep_leases()
            self._loop.start()

    async def stop(self) -> None:
        """As the port says."""
        self._is_running = False
        await self._loop.stop()
        async with self._claiming:  # a claim that was on its way has become a run
            pass
        await self._runs.stop()

    async def place(self, store: StoreTask) -> None:
        """As the port says."""
        if not self._has_room:
            await store(None)
            self._look()
            return
        self._placing += 1
        try:
            claim = await store(Holder(self._runs.owner, self._lease_ms))
        finally:
            self._placing -= 1
        assert claim is not None  # there is a holder
        if self._is_running:
            self._runs.start(claim, RunControl())
        else:
            await self._runs.release(claim)

    async def submit(self, task_id: str) -> None:
        """As the port says."""
        self._look()

    async def interrupt(self, task_id: str) -> None:
        """As the port says; a task that another process runs is interrupted by its heartbeat."""
        self._runs.interrupt(task_id, "cancel")

    async def _take_tasks(self) -> None:
        try:
            await self._bury()
            await self._fill()
            if self._quiet_until == math.inf:
                # Nobody could renew anything while the database was away: their workers get the time to do so now.
                self._quiet_until = time.monotonic() + self._times.lease
        except Exception as error:
            if not is_outage(error):
                raise
            # Not left to the loop, which would wait longer and longer: tasks go on as soon as the database is back.
            self._outage = error
            self._quiet_until = math.inf
            log.warning("tasks cannot be taken, the database is away", reason=str(error))
            return
        self._outage = None

    @property
    def _has_room(self) -> bool:
        is_free = len(self._runs) + self._placing < self._limit
        return is_free and self._is_running and not self._is_queued and self._outage is None

    @property
    def _lease_ms(self) -> int:
        return int(self._times.lease * 1000)

    def _look(self) -> None:
        self._is_queued = True
        self._loop.wake()

    def _on_end(self) -> None:
        if self._is_queued:
            self._loop.wake()

    async def _bury(self) -> None:
        now = time.monotonic()
        # Not at each wake-up, as `_fill`.
        if now < self._quiet_until or now - self._buried < self._times.poll:
            return
        self._buried = now
        silence = min(self._times.silence, self._times.lease)
        for owner in await shielded(bury(self._database, own=self._runs.owner, silence=silence)):
            log.warning("a worker is gone; its tasks are continued", owner=owner)

    async def _fill(self) -> None:
        capacity = self._limit - len(self._runs) - self._placing
        if capacity > 0:
            await shielded(self._claim(capacity))
        # Not at each wake-up: who waits for less than that need not be told.
        is_time = time.monotonic() - self._announced >= self._times.poll
        if len(self._runs) >= self._limit and self._is_queued and is_time:
            self._announced = time.monotonic()
            await shielded(self._runs.announce())

    async def _claim(self, limit: int) -> None:
        async with self._claiming:
            if not self._is_running:
                return
            self._is_queued = False
            try:
                async with self._database.write() as connection:
                    claims = await claim_tasks(
                        connection,
                        owner=self._runs.owner,
                        limit=limit,
                        lease_ms=self._lease_ms,
                        running=self._runs.task_ids,
                        takes_over=time.monotonic() >= self._quiet_until,
                    )
            except BaseException:
                self._is_queued = True
                raise
            # As many as there was room for: there may be more.
            self._is_queued = self._is_queued or len(claims) == limit
            for claim in claims:
                self._runs.start(claim, RunControl())
