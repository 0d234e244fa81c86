"""The scaffolder's tasks as the composition root builds and runs them, and as `api` calls them.

    create -> row (open) -> engine -> execution -> run_steps -> events -> readers

Who may do what is asked in `api`; what a template makes of a request is the task factory's.
"""

import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from opentelemetry.propagate import inject

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.errors import ConflictError, NotFoundError, ServiceUnavailableError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import Criteria
from understage.model.task import TaskSpec, TaskStatus
from understage.platform.database import Database
from understage.platform.json import dumps_text, loads
from understage.platform.scheduler import Loop
from understage.scaffolder.cipher import Cipher
from understage.scaffolder.clock import iso_time
from understage.scaffolder.events import Event, TaskEvents, TaskSignals
from understage.scaffolder.pins import without_pins
from understage.scaffolder.store.cancel_task import cancel_task
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.create_task import Holder, NewRow, create_held_task
from understage.scaffolder.store.notify import notify
from understage.scaffolder.store.progress import select_snapshot
from understage.scaffolder.store.retry_task import retry_task
from understage.scaffolder.store.select_tasks import Order, StoredTask, select_task, select_tasks
from understage.scaffolder.tasks.creation import NewTask, TaskFactory
from understage.scaffolder.tasks.database_engine import DatabaseEngine
from understage.scaffolder.tasks.engine import EngineFactory, EngineTimes
from understage.scaffolder.tasks.execution import Execution, RunSteps
from understage.scaffolder.tasks.insertions import Insertions
from understage.scaffolder.tasks.leftovers import collect_leftovers
from understage.scaffolder.tasks.listener import Listener
from understage.scaffolder.tasks.run import read_rest, write_secrets
from understage.scaffolder.undo import undo_spec
from understage.scaffolder.workspace import FolderSnapshots, SnapshotStore

TIDY_SECONDS = 3600.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TaskQuery:
    """Which tasks a list shows, in which order; `limit` None means all. `readable` are the caller's conditions."""

    created_by: Sequence[str] = ()
    statuses: Sequence[str] = ()
    order: Sequence[Order] = ()
    limit: int | None = None
    offset: int = 0
    readable: Criteria | None = None


@dataclass(frozen=True)
class FoundTask:
    """A stored task, readable by rules and as JSON."""

    stored: StoredTask

    @property
    def id(self) -> str:
        """The task's id."""
        return self.stored.id

    @property
    def created_by(self) -> str | None:
        """Who created it; None for services."""
        return self.stored.created_by

    @property
    def is_recoverable(self) -> bool:
        """Whether its template says that it may start over."""
        return self.stored.is_recoverable

    @property
    def spec(self) -> TaskSpec:
        """The spec as it is served."""
        return without_pins(loads(self.stored.spec))

    def to_wire(self) -> dict[str, Any]:
        """`{id, spec, status, createdAt, lastHeartbeatAt?, createdBy?}`."""
        task = self.stored
        wire = {"id": task.id, "spec": self.spec, "status": task.status, "createdAt": iso_time(task.created_at)}
        if task.last_heartbeat_at is not None:
            wire["lastHeartbeatAt"] = iso_time(task.last_heartbeat_at)
        return wire if task.created_by is None else {**wire, "createdBy": task.created_by}


class ScaffolderService:
    """Creates, runs, shows, cancels and retries tasks. `start` and `stop` once each, in the event loop that serves.

    `key` encrypts what is secret in the database. Workspaces live below `data_directory`, large snapshots of them too,
    unless `snapshots` is another store. `engine` makes the engine, that of the database by default.
    """

    def __init__(
        self,
        database: Database,
        settings: ScaffolderSettings,
        *,
        key: bytes,
        data_directory: Path,
        run_steps: RunSteps,
        task_factory: TaskFactory,
        auditor: Auditor,
        snapshots: SnapshotStore | None = None,
        engine: EngineFactory | None = None,
        times: EngineTimes | None = None,
    ) -> None:
        folder = data_directory / "scaffolder"
        self._database = database
        self._factory = task_factory
        self._cipher = Cipher(key)
        self._signals = TaskSignals()
        self._insertions = Insertions(database, self._signals.sender)
        self._events = TaskEvents(database, self._signals)
        self._listener = Listener(database, self._on_news, self._on_gap, sender=self._signals.sender)
        self._snapshots = snapshots or FolderSnapshots(folder / "snapshots")
        self._execution = Execution(
            database,
            run_steps,
            signals=self._signals,
            cipher=self._cipher,
            snapshots=self._snapshots,
            folder=folder / "workspaces",
            auditor=auditor,
            audited_length=settings.auditor.task_parameter_max_length,
        )
        self._tidying = Loop("workspaces of tasks", self._tidy, interval=TIDY_SECONDS)
        create_engine = engine or DatabaseEngine
        self._engine = create_engine(
            database, self._execution, self._signals, limit=settings.concurrent_tasks_limit, times=times
        )

    async def start(self) -> None:
        """Begin to run tasks; those of a worker that died are continued within seconds."""
        await self._execution.clean()
        self._events.start()
        self._listener.start()
        await self._engine.start()
        self._tidying.start()

    def begin_stop(self) -> None:
        """End all event streams; may be called from a signal handler."""
        self._events.end_streams()

    async def stop(self) -> None:
        """Let running tasks end for a short while, hand over the others, stop."""
        self.begin_stop()
        await self._tidying.stop()
        await self._listener.stop()
        await self._engine.stop()
        await self._events.stop()

    async def check(self) -> None:
        """Raises ServiceUnavailableError while tasks cannot be taken or kept."""
        if self._engine.problem is not None:
            raise ServiceUnavailableError(f"Tasks cannot be run at the moment: {self._engine.problem}")

    async def create(
        self, template_ref: str, values: Mapping[str, Any], secrets: Mapping[str, str], credentials: Credentials
    ) -> str:
        """Start a task of a template; returns its id. Raises what the task factory raises."""
        task = await self._factory.create(template_ref, values, secrets, credentials)
        task_id = await self.submit(task)
        log.info(f"Scaffolding task for {template_ref} created by {task.created_by}", task=task_id)
        return task_id

    async def submit(self, task: NewTask) -> str:
        """Store a task and have it run; returns its id."""
        task_id = str(uuid.uuid4())
        carrier: dict[str, str] = {}
        inject(carrier)
        row = NewRow(
            task_id,
            dumps_text(task.spec),
            write_secrets(self._cipher, task_id, task.secrets),
            task.created_by,
            _starts_over(task.spec),
            carrier.get("traceparent"),
        )

        async def store(holder: Holder | None) -> Claim | None:
            if holder is None:
                await self._insertions.store(row)
                return None
            async with self._database.write_once() as connection:  # nobody else need hear of it
                return await create_held_task(connection, row, holder)

        await self._engine.place(store)
        return task_id

    async def get(self, task_id: str) -> FoundTask:
        """One task. Raises NotFoundError."""
        async with self._database.read() as connection:
            stored = await select_task(connection, task_id)
        if stored is None:
            raise NotFoundError(f"No task with id '{task_id}' found")
        return FoundTask(stored)

    async def find(self, query: TaskQuery) -> tuple[list[FoundTask], int]:
        """A page of the tasks, and how many there are in all."""
        async with self._database.read() as connection:
            stored, total = await select_tasks(
                connection,
                created_by=query.created_by,
                statuses=query.statuses,
                order=query.order,
                limit=query.limit,
                offset=query.offset,
                readable=query.readable,
            )
        return [FoundTask(task) for task in stored], total

    async def cancel(self, task_id: str) -> None:
        """Cancel a task, whatever its state: a running one ends within a second, wherever it runs."""
        async with self._database.write() as connection:
            await cancel_task(connection, task_id)
            await notify(connection, "event", task_id, sender=self._signals.sender)
            await notify(connection, "cancel", task_id, sender=self._signals.sender)
        self._signals.changed(task_id)
        await self._engine.interrupt(task_id)

    async def retry(self, task: FoundTask, secrets: Mapping[str, str], credentials: Credentials) -> None:
        """Run an ended task again, from the step that failed. Raises ConflictError for one that has not ended."""
        complete = await self._factory.renew(task.spec, secrets, credentials)
        sealed = write_secrets(self._cipher, task.id, complete)
        async with self._database.write() as connection:
            before = await select_snapshot(connection, task.id)
            if not await retry_task(connection, task.id, secrets=sealed):
                raise ConflictError(f"Task with taskId {task.id} cannot be retried")
            is_kept = await select_snapshot(connection, task.id) is not None
            await notify(connection, "event", task.id, sender=self._signals.sender)
            await notify(connection, "queue", task.id, sender=self._signals.sender)
        if before is not None and before.location is not None and not is_kept:
            await self._snapshots.delete(before.location)
        self._signals.changed(task.id)
        await self._engine.submit(task.id)

    async def undo_spec(self, task: FoundTask) -> TaskSpec:
        """The spec of the task that takes away what an ended task made. Raises ConflictError for one that has not ended."""
        if not TaskStatus(task.stored.status).is_final:
            raise ConflictError(f"Task {task.id} has not ended: cancel it first, then undo it")
        rest = await read_rest(self._database, task.id, self._cipher)
        return undo_spec(task.spec, rest.state.checkpoints)

    async def undo(self, task: FoundTask, credentials: Credentials) -> tuple[str, TaskSpec]:
        """Start the task that undoes an ended one; its id and spec. ConflictError where there is nothing to undo."""
        spec = await self.undo_spec(task)
        if not spec["steps"]:
            raise ConflictError(f"Task {task.id} made nothing that could be undone")
        secrets = await self._factory.renew(spec, {}, credentials)
        return await self.submit(NewTask(spec, secrets, credentials.user_ref)), spec

    async def wait_for_events(self, task: FoundTask, *, after: int | None, seconds: float) -> list[Event]:
        """The events above `after`, waiting up to `seconds` for the first."""
        return await self._events.wait(task.id, task.is_recoverable, after=after, seconds=seconds)

    def follow_events(self, task: FoundTask, *, after: int | None, pause: float) -> AsyncGenerator[list[Event], None]:
        """Batches of events as they come, an empty one after each `pause` seconds without; see `TaskEvents.follow`."""
        return self._events.follow(task.id, task.is_recoverable, after=after, pause=pause)

    async def _on_news(self, news: str, task_id: str) -> None:
        if news == "queue":
            await self._engine.submit(task_id)
        elif news == "cancel":
            await self._engine.interrupt(task_id)
        else:
            self._signals.changed(task_id)

    async def _tidy(self) -> None:
        await collect_leftovers(self._database, self._snapshots)

    def _on_gap(self) -> None:
        self._signals.changed_all()


def _starts_over(spec: TaskSpec) -> bool:
    recovery = spec.get("EXPERIMENTAL_recovery") or {}
    return bool(recovery.get("EXPERIMENTAL_strategy") == "startOver")
