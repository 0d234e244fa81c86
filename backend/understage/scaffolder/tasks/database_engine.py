"""The engine on our own tables: a lease, a heartbeat and a fence on each task row; SQLite or PostgreSQL.

Claims are one statement (`store.claim_tasks`), made when a task is submitted, when a run ends, and once a second for tasks
whose process died. How long that takes to notice: the lease plus one poll.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from understage.platform.database import Database
from understage.platform.scheduler import Loop
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.shielding import shielded
from understage.scaffolder.store.announce_queue import announce_queue
from understage.scaffolder.store.claim_tasks import Claim, claim_tasks
from understage.scaffolder.store.notify import notify
from understage.scaffolder.tasks.engine import Execute, Interruption, RunControl
from understage.scaffolder.tasks.heartbeat import Heartbeat, Owned
from understage.scaffolder.tasks.outage import is_outage

log = structlog.get_logger(__name__)

LONGEST_HANDOVER = 10.0


@dataclass(frozen=True)
class EngineTimes:
    """Seconds: how long a silent worker keeps its tasks, how often it renews, how often it looks for abandoned ones.

    `grace` is what running tasks get to end by themselves when the service stops, before others continue them.
    """

    lease: float = 8.0
    heartbeat: float = 0.5
    poll: float = 1.0
    grace: float = 3.0


@dataclass
class _Run:
    claim: Claim
    control: RunControl
    task: asyncio.Task[None]


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
        self.owner = uuid.uuid4().hex
        self._database = database
        self._execute = execute
        self._signals = signals
        self._limit = limit
        self._times = times or EngineTimes()
        self._is_stopping = False
        self._outage: Exception | None = None
        self._runs: dict[str, _Run] = {}
        self._fences: dict[str, int] = {}
        self._claiming = asyncio.Lock()
        self._loop = Loop("task engine", self._take_tasks, interval=self._times.poll)
        self._heartbeat = Heartbeat(
            database.separate,
            owner=self.owner,
            lease=self._times.lease,
            interval=self._times.heartbeat,
            watched=lambda: dict(self._fences),
            report=self._on_heartbeat,
        )

    @property
    def problem(self) -> Exception | None:
        """As the port says."""
        return self._outage or self._loop.last_error or self._heartbeat.problem

    async def start(self) -> None:
        """As the port says."""
        if self._limit > 0:
            self._heartbeat.start()
            self._loop.start()

    async def stop(self) -> None:
        """As the port says. Leases are kept until the last run has let go of its task."""
        self._is_stopping = True
        await self._loop.stop()
        async with self._claiming:  # a claim that was on its way has become a run
            pass
        running = [run.task for run in self._runs.values()]
        if running:
            await asyncio.wait(running, timeout=self._times.grace)
        for task_id in list(self._runs):
            self._interrupt(task_id, "handover")
        left = [run.task for run in self._runs.values()]
        if left:
            await asyncio.wait(left, timeout=LONGEST_HANDOVER)
        await self._heartbeat.stop()

    async def submit(self, task_id: str) -> None:
        """As the port says."""
        self._loop.wake()

    async def interrupt(self, task_id: str) -> None:
        """As the port says; a task that another process runs is interrupted by its heartbeat."""
        self._interrupt(task_id, "cancel")

    async def _take_tasks(self) -> None:
        try:
            await self._fill()
        except Exception as error:
            if not is_outage(error):
                raise
            # Not left to the loop, which would wait longer and longer: tasks go on as soon as the database is back.
            self._outage = error
            log.warning("tasks cannot be taken, the database is away", reason=str(error))
            return
        self._outage = None

    async def _fill(self) -> None:
        capacity = self._limit - len(self._runs)
        if capacity > 0:
            await shielded(self._claim(capacity))
        if len(self._runs) < self._limit:
            return
        for task_id in await shielded(self._announce()):
            self._signals.changed(task_id)

    async def _claim(self, limit: int) -> None:
        lease_ms = int(self._times.lease * 1000)
        async with self._claiming:
            if self._is_stopping:
                return
            async with self._database.write() as connection:
                claims = await claim_tasks(
                    connection, owner=self.owner, limit=limit, lease_ms=lease_ms, running=list(self._runs)
                )
            for claim in claims:
                self._start(claim)

    async def _announce(self) -> list[str]:
        async with self._database.write() as connection:
            told = await announce_queue(connection)
            for task_id in told:
                await notify(connection, "event", task_id)
        return told

    def _start(self, claim: Claim) -> None:
        log.info("task taken", task=claim.task_id, fence=claim.fence, resumed=claim.resumed)
        self._fences[claim.task_id] = claim.fence
        control = RunControl()
        task = asyncio.create_task(self._execute(claim, control), name=f"task {claim.task_id}")
        self._runs[claim.task_id] = _Run(claim, control, task)
        task.add_done_callback(lambda _task: self._end(claim))

    def _end(self, claim: Claim) -> None:
        run = self._runs.get(claim.task_id)
        if run is None or run.claim.fence != claim.fence:
            return
        del self._runs[claim.task_id]
        self._fences.pop(claim.task_id, None)
        if not run.task.cancelled() and (error := run.task.exception()) is not None:
            log.error("a task's run broke; another run will continue it", task=claim.task_id, exc_info=error)
        self._loop.wake()

    def _on_heartbeat(self, watched: Mapping[str, int], owned: Owned) -> None:
        for task_id, fence in watched.items():
            run = self._runs.get(task_id)
            if run is None or run.claim.fence != fence:
                continue
            found = owned.get(task_id)
            if found is None or found[0] != fence:
                self._interrupt(task_id, "lost")
            elif found[1]:
                self._interrupt(task_id, "cancel")

    def _interrupt(self, task_id: str, reason: Interruption) -> None:
        run = self._runs.get(task_id)
        if run is None or run.control.interruption is not None or run.control.is_over:
            return
        run.control.interrupt(reason)
        run.task.cancel()
