"""Work that repeats, started and stopped with the catalog's engine; implements `sdk.schedule.Scheduler`.

A global task is a row with a lease: each replica looks for what is due, one of them takes it and renews the lease while the
job runs. A replica that dies loses its lease after half a minute, and another one runs the task. A local task is a loop.
"""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass

import structlog
from opentelemetry import metrics

from understage.catalog.cadence import check_schedule, first_run, following_run
from understage.catalog.store.bulk import select_time
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.scheduled_tasks import (
    TaskRow,
    cancel_task,
    claim_task,
    finish_task,
    register_task,
    release_task,
    renew_lease,
    select_due_tasks,
    select_tasks,
    trigger_task,
)
from understage.errors import ConflictError, InputError, NotFoundError, UnderstageError
from understage.platform.database import Database
from understage.platform.scheduler import Loop
from understage.sdk.schedule import Job, Schedule

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
LEASE_SECONDS = 30.0
RENEWAL_SECONDS = 5.0

_meter = metrics.get_meter("understage.catalog")
_runs = _meter.create_counter(
    "backend_tasks.task.runs.count", description="Runs of scheduled tasks, by result: started, completed, failed"
)
_duration = _meter.create_histogram(
    "backend_tasks.task.runs.duration", unit="seconds", description="How long runs of scheduled tasks took"
)
_started = _meter.create_gauge(
    "backend_tasks.task.runs.started", unit="seconds", description="When a scheduled task last began, since the epoch"
)
_completed = _meter.create_gauge(
    "backend_tasks.task.runs.completed", unit="seconds", description="When a scheduled task last ended, since the epoch"
)


@dataclass(frozen=True)
class ScheduledTask:
    """A task as it was scheduled, and what is known of its runs; None where this process has the row only."""

    id: str
    schedule: Schedule
    row: TaskRow | None
    runs_here: bool


@dataclass
class _Task:
    id: str
    schedule: Schedule
    job: Job
    is_registered: bool = False
    wake: asyncio.Event | None = None


class DatabaseScheduler:
    """The scheduler of one process. `schedule` may be called at any time, also before `start`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[str, _Task] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._poll = Loop("catalog schedules", self._run_due, interval=POLL_SECONDS)
        self._is_started = self._is_polling = False

    def schedule(self, task_id: str, schedule: Schedule, job: Job) -> None:
        """See `Scheduler`."""
        if task_id in self._tasks:
            raise InputError(f"two scheduled tasks have the id {task_id}; rename one of them")
        check_schedule(task_id, schedule)
        self._tasks[task_id] = task = _Task(task_id, schedule, job)
        if self._is_started:
            self._begin(task)

    async def start(self) -> None:
        """Run what was scheduled, and what will be."""
        self._is_started = True
        for task in self._tasks.values():
            self._begin(task)

    async def stop(self) -> None:
        """Break off what runs; it stays due, for another replica or the next start."""
        self._is_started = False
        if self._is_polling:
            self._is_polling = False
            await self._poll.stop()
        for running in (*self._loops.values(), *self._running.values()):
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        self._loops.clear()
        self._running.clear()

    async def list_tasks(self) -> list[ScheduledTask]:
        """All tasks of this process, in the order in which they were scheduled."""
        async with self._database.read() as connection:
            rows = await select_tasks(connection, self._global_ids())
        return [
            ScheduledTask(task.id, task.schedule, rows.get(task.id), task.id in self._running)
            for task in self._tasks.values()
        ]

    async def trigger(self, task_id: str) -> None:
        """Run a task now. Raises NotFoundError, ConflictError when it is running."""
        task = self._known(task_id)
        if task.schedule.scope == "local":
            if task.wake is None or task_id in self._running:
                raise ConflictError(f"Task {task_id} is currently running")
            task.wake.set()
            return
        if not await write_with_retry(self._database, lambda write: trigger_task(write, task_id)):
            raise ConflictError(f"Task {task_id} is currently running")
        self._poll.wake()

    async def cancel(self, task_id: str) -> None:
        """Break off the run that is under way, wherever it is. Raises NotFoundError, ConflictError when there is none."""
        task = self._known(task_id)
        running = self._running.get(task_id)
        if task.schedule.scope == "global":
            async with self._database.write() as connection:
                next_run = following_run(task.schedule, await select_time(connection))
                done = await cancel_task(connection, task_id, next_run_at=next_run, error="Task was cancelled")
            if not done:
                raise ConflictError(f"Task {task_id} is not running")
        elif running is None:
            raise ConflictError(f"Task {task_id} is not running")
        if running is not None:
            running.cancel()

    def _known(self, task_id: str) -> _Task:
        if task_id not in self._tasks:
            raise NotFoundError(f"Task {task_id} does not exist")
        return self._tasks[task_id]

    def _global_ids(self) -> list[str]:
        return [task.id for task in self._tasks.values() if task.schedule.scope == "global"]

    def _begin(self, task: _Task) -> None:
        if task.schedule.scope == "local":
            task.wake = asyncio.Event()
            self._loops[task.id] = asyncio.create_task(self._repeat(task, task.wake), name=task.id)
        elif self._is_polling:
            self._poll.wake()
        else:
            self._is_polling = True
            self._poll.start()

    async def _run_due(self) -> None:
        await self._register()
        ids = [task_id for task_id in self._global_ids() if task_id not in self._running]
        async with self._database.read() as connection:
            due = await select_due_tasks(connection, ids)
        for task_id in due:
            ticket = str(uuid.uuid4())
            if await self._claim(task_id, ticket):
                run = asyncio.create_task(self._run_claimed(self._tasks[task_id], ticket), name=task_id)
                self._running[task_id] = run
                run.add_done_callback(self._ended)

    def _ended(self, run: "asyncio.Task[None]") -> None:
        task_id = run.get_name()
        self._running.pop(task_id, None)
        if not run.cancelled() and (error := run.exception()) is not None:
            # Its lease ends by itself; then the task is due again.
            log.error(
                "the end of a scheduled task could not be stored, it will run again", task=task_id, exc_info=error
            )

    async def _register(self) -> None:
        new = [task for task in self._tasks.values() if task.schedule.scope == "global" and not task.is_registered]
        for task in new:
            async with self._database.write() as connection:
                at = await select_time(connection)
                await register_task(connection, task.id, first_run(task.schedule, at), following_run(task.schedule, at))
            task.is_registered = True

    async def _claim(self, task_id: str, ticket: str) -> bool:
        lease = int(LEASE_SECONDS * 1000)
        return await write_with_retry(self._database, lambda write: claim_task(write, task_id, ticket, lease))

    async def _run_claimed(self, task: _Task, ticket: str) -> None:
        work = asyncio.create_task(_run(task), name=f"{task.id} run")
        lease = asyncio.create_task(self._keep(task.id, ticket, work), name=f"{task.id} lease")
        try:
            error = await work
        except asyncio.CancelledError:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            async with self._database.write() as connection:
                await release_task(connection, task.id, ticket)
            raise
        finally:
            lease.cancel()
        async with self._database.write() as connection:
            rows = await select_tasks(connection, [task.id])
            at = await select_time(connection)
            next_run = following_run(task.schedule, at, last=rows[task.id].started_at if task.id in rows else None)
            await finish_task(connection, task.id, ticket, next_run_at=next_run, error=error)

    async def _keep(self, task_id: str, ticket: str, work: "asyncio.Task[str | None]") -> None:
        """Renew the lease until the work is done; stop the work when the task is another's."""
        lease = int(LEASE_SECONDS * 1000)
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                kept = await write_with_retry(self._database, lambda write: renew_lease(write, task_id, ticket, lease))
            except Exception as error:
                log.warning("the lease of a scheduled task could not be renewed", task=task_id, error=str(error))
                continue
            if not kept:
                log.warning("a scheduled task was cancelled or taken over, its run here ends", task=task_id)
                work.cancel()
                return

    async def _repeat(self, task: _Task, wake: asyncio.Event) -> None:
        """A local task: this process's own clock will do."""
        due = first_run(task.schedule, _now())
        while True:
            pause = None if due is None else max(0, due - _now()) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wake.wait()
            wake.clear()
            began = _now()
            self._running[task.id] = run = asyncio.create_task(_run_quietly(task), name=f"{task.id} run")
            try:
                await asyncio.wait([run])
            finally:
                run.cancel()
                self._running.pop(task.id, None)
            due = following_run(task.schedule, _now(), last=began)


async def _run_quietly(task: _Task) -> None:
    await _run(task)


async def _run(task: _Task) -> str | None:
    """One run, measured. Returns what went wrong, which was logged; None for a success."""
    labels = {"taskId": task.id, "scope": task.schedule.scope}
    _runs.add(1, {**labels, "result": "started"})
    _started.set(time.time(), {"taskId": task.id})
    began = time.perf_counter()
    error: str | None = "broken off"
    try:
        error = await _attempt(task)
    finally:
        labels["result"] = "failed" if error else "completed"
        _runs.add(1, labels)
        _duration.record(time.perf_counter() - began, labels)
        _completed.set(time.time(), labels)
    return error


async def _attempt(task: _Task) -> str | None:
    seconds = task.schedule.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds) as limit:
            await task.job()
    except Exception as error:
        if limit.expired():
            said = f"it took longer than its timeout of {seconds:g} seconds; raise the timeout of its schedule"
            log.error("a scheduled task failed; what it gave before stays", task=task.id, error=said)
            return said
        # What our own errors say is enough; any other is a fault, whose place matters.
        told = isinstance(error, UnderstageError)
        log.error(
            "a scheduled task failed; what it gave before stays", task=task.id, error=str(error), exc_info=not told
        )
        return str(error) or type(error).__name__
    return None


def _now() -> int:
    return int(time.time() * 1000)
