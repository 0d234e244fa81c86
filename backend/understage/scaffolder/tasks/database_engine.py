"""The engine on our own tables: a lease, a heartbeat and a fence on each task row; SQLite or PostgreSQL.

Claims are one statement (`store.claim_tasks`), made when a task is submitted, when a run ends, and once a second for tasks
whose process died. How long that takes to notice: the lease plus one poll.
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
from understage.scaffolder.tasks.engine import EngineTimes, Execute, RunControl
from understage.scaffolder.tasks.outage import is_outage
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
        self._is_stopping = False
        self._outage: Exception | None = None
        self._quiet_until = 0.0
        self._claiming = asyncio.Lock()
        self._loop = Loop("task engine", self._take_tasks, interval=self._times.poll)
        self._runs = Runs(database, execute, signals, self._times, on_end=self._loop.wake)

    @property
    def problem(self) -> Exception | None:
        """As the port says."""
        return self._outage or self._loop.last_error or self._runs.problem

    async def start(self) -> None:
        """As the port says."""
        if self._limit > 0:
            self._runs.keep_leases()
            self._loop.start()

    async def stop(self) -> None:
        """As the port says."""
        self._is_stopping = True
        await self._loop.stop()
        async with self._claiming:  # a claim that was on its way has become a run
            pass
        await self._runs.stop()

    async def submit(self, task_id: str) -> None:
        """As the port says."""
        self._loop.wake()

    async def interrupt(self, task_id: str) -> None:
        """As the port says; a task that another process runs is interrupted by its heartbeat."""
        self._runs.interrupt(task_id, "cancel")

    async def _take_tasks(self) -> None:
        try:
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

    async def _fill(self) -> None:
        capacity = self._limit - len(self._runs)
        if capacity > 0:
            await shielded(self._claim(capacity))
        if len(self._runs) >= self._limit:
            await shielded(self._runs.announce())

    async def _claim(self, limit: int) -> None:
        lease_ms = int(self._times.lease * 1000)
        async with self._claiming:
            if self._is_stopping:
                return
            async with self._database.write() as connection:
                claims = await claim_tasks(
                    connection,
                    owner=self._runs.owner,
                    limit=limit,
                    lease_ms=lease_ms,
                    running=self._runs.task_ids,
                    takes_over=time.monotonic() >= self._quiet_until,
                )
            for claim in claims:
                self._runs.start(claim, RunControl())
