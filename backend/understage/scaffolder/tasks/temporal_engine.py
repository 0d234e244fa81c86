"""The engine for those who outgrow one database: Temporal schedules, times and retries; each step is an activity.

Chosen by `understage.tasks.engine: temporal`, and imported only then. The task's row stays the truth: a worker claims it for each
step, and writes under that claim's fence. What was submitted while Temporal or this process was away is found in the rows.
Cancelling goes by the row, as with the other engine, because a worker hears of it sooner than Temporal would tell.
"""

import asyncio
import time

import structlog

from understage.config.platform_settings import TemporalSettings
from understage.platform.database import Database
from understage.platform.scheduler import Loop
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.shielding import shielded
from understage.scaffolder.steps.run import Portion
from understage.scaffolder.store.claim_tasks import Claim, claim_task
from understage.scaffolder.store.select_due import select_due
from understage.scaffolder.tasks.engine import EngineTimes, Execute, RunControl, StoreTask
from understage.scaffolder.tasks.outage import is_outage
from understage.scaffolder.tasks.runs import Runs
from understage.scaffolder.tasks.temporal_worker import UNREACHED, HandedOverError, TemporalWorker
from understage.scaffolder.tasks.temporal_workflow import StepOrder

log = structlog.get_logger(__name__)

AT_ONCE = 200
TELL_AGAIN_SECONDS = 10.0
PATIENCE_SECONDS = 10.0


class TemporalEngine:
    """Runs up to `limit` steps at once in this process; 0 means that others run them."""

    def __init__(
        self,
        database: Database,
        execute: Execute,
        signals: TaskSignals,
        *,
        temporal: TemporalSettings,
        limit: int = 10,
        times: EngineTimes | None = None,
    ) -> None:
        self._database = database
        self._settings = temporal
        self._limit = limit
        self._times = times or EngineTimes()
        self._is_stopping = False
        self._outage: Exception | None = None
        self._away_since: float | None = None
        self._told: dict[tuple[str, int], float] = {}
        self._loop = Loop("task engine", self._submit_due, interval=self._times.poll)
        self._runs = Runs(database, execute, signals, self._times, on_end=lambda: None)
        self._worker = TemporalWorker(temporal, self._run_step, limit=limit, times=self._times)

    @property
    def problem(self) -> Exception | None:
        """As the port says."""
        return self._worker.problem or self._outage or self._loop.last_error or self._runs.problem

    async def start(self) -> None:
        """As the port says."""
        if self._limit > 0:
            self._runs.keep_leases()
            self._worker.start()
            self._loop.start()

    async def stop(self) -> None:
        """As the port says."""
        self._is_stopping = True
        await self._loop.stop()
        self._worker.begin_stop()
        await self._runs.stop()
        await self._worker.stop()

    async def place(self, store: StoreTask) -> None:
        """As the port says; Temporal decides who runs a task, and when."""
        await store(None)
        self._loop.wake()

    async def submit(self, task_id: str) -> None:
        """As the port says."""
        self._loop.wake()

    async def interrupt(self, task_id: str) -> None:
        """As the port says; a task that another process runs is interrupted by its heartbeat."""
        self._runs.interrupt(task_id, "cancel")

    async def _submit_due(self) -> None:
        try:
            async with self._database.read() as connection:
                due = await select_due(connection, limit=AT_ONCE)
            await self._tell(due)
            if due and len(self._runs) >= self._limit:
                await shielded(self._runs.announce())
        except Exception as error:
            if not is_outage(error):
                raise
            self._outage = error
            log.warning("tasks cannot be taken, the database is away", reason=str(error))
            return

    async def _tell(self, due: list[tuple[str, int]]) -> None:
        now = time.monotonic()
        self._told = {task: at for task, at in self._told.items() if now - at < TELL_AGAIN_SECONDS}
        fresh = [task for task in due if task not in self._told]
        try:
            await self._worker.submit(fresh)
        except UNREACHED as error:
            self._outage = ConnectionError(f"Temporal at {self._settings.address} does not answer: {error}")
            self._away_since = self._away_since or now
            if now - self._away_since > PATIENCE_SECONDS:
                log.warning("tasks cannot be submitted, Temporal is away", reason=str(error))
                reason = f"the Temporal server at {self._settings.address} does not answer"
                await shielded(self._runs.announce(reason))
            return
        self._outage = self._away_since = None
        self._told |= dict.fromkeys(fresh, now)

    async def _run_step(self, order: StepOrder, attempt: int) -> int | None:
        """One activity: claim, run a portion, say where to go on; None when the task has ended."""
        if self._is_stopping:
            raise HandedOverError("this worker stops")
        await self._runs.drop(order.task_id)  # Temporal gave it up, and now comes back to this process
        continues = order.start > 0 and attempt == 1
        claim = await shielded(self._claim(order.task_id, continues))
        if claim is None:
            return None
        portion = Portion(order.start if continues else 0)
        control = RunControl(portion=portion, before=max(0.0, time.time() - order.began))
        run = self._runs.start(claim, control)
        try:
            await asyncio.wait({run})
        except asyncio.CancelledError:
            self._runs.interrupt(order.task_id, "handover")
            await asyncio.wait({run})
            raise
        if control.next_step is not None:
            return control.next_step
        if control.is_over or control.interruption == "lost":
            return None
        raise HandedOverError("another worker continues the task")

    async def _claim(self, task_id: str, continues: bool) -> Claim | None:
        async with self._database.write() as connection:
            return await claim_task(
                connection,
                task_id,
                owner=self._runs.owner,
                lease_ms=int(self._times.lease * 1000),
                continues=continues,
            )
