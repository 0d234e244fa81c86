"""One claimed run as the interpreter sees it: `steps.run.TaskRun` on the database. Made by `tasks.worker`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.model.task import TaskSpec
from understage.platform.database import Database
from understage.platform.json import loads
from understage.scaffolder.cipher import Cipher
from understage.scaffolder.steps.run import FinishedStep, Portion, StepStatus, TaskState
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.store.progress import (
    StoredSnapshot,
    StoredStep,
    put_checkpoint,
    put_step,
    select_checkpoints,
    select_snapshot,
    select_steps,
)
from understage.scaffolder.tasks.journal import Journal
from understage.scaffolder.tasks.snapshots import Snapshots

HIDDEN = "\0hidden"
"""Beside the output of a stored step: the texts that nobody may see. No output has a member of this name."""


@dataclass(frozen=True)
class Rest:
    """What earlier runs of a task left."""

    state: TaskState = field(default_factory=TaskState)
    snapshot: StoredSnapshot | None = None


async def read_rest(database: Database, task_id: str, cipher: Cipher) -> Rest:
    """Read and decrypt it. Raises ServiceUnavailableError when the key is another one."""
    async with database.read() as connection:
        steps = await select_steps(connection, task_id)
        checkpoints = await select_checkpoints(connection, task_id)
        snapshot = await select_snapshot(connection, task_id)
    state = TaskState(
        {
            step.step_id: _finished(step, cipher.decrypt_json(step.result, f"{task_id}/steps/{step.step_id}"))
            for step in steps
        },
        {key: cipher.decrypt_json(value, _checkpoint_place(task_id, *key)) for key, value in checkpoints.items()},
    )
    return Rest(state, snapshot)


class ClaimedRun:
    """Implements `TaskRun`. `cancel` only notes the wish; the worker interrupts."""

    def __init__(
        self,
        task_id: str,
        spec: TaskSpec,
        secrets: Mapping[str, str],
        state: TaskState,
        *,
        journal: Journal,
        snapshots: Snapshots,
        cipher: Cipher,
        portion: Portion | None = None,
    ) -> None:
        self.portion = portion
        self.task_id = task_id
        self.spec = spec
        self.secrets = secrets
        self.state = state
        self.is_cancelled = False
        self.current_step: str | None = None
        self._journal = journal
        self._snapshots = snapshots
        self._cipher = cipher
        self._positions = {step["id"]: index for index, step in enumerate(spec["steps"])}
        self._has_failed = any(step.status == "failed" for step in state.steps.values())

    @property
    def workspace(self) -> Path:
        """As the protocol says."""
        return self._snapshots.folder

    def cancel(self) -> None:
        """Note that a cancel was asked for."""
        self.is_cancelled = True

    async def log(self, message: str, *, step_id: str | None = None, status: StepStatus | None = None) -> None:
        """As the protocol says."""
        if step_id is not None and status == "processing":
            self.current_step = step_id
        await self._journal.add(_log_event(self.task_id, message, step_id, status))

    async def finish_step(self, step_id: str, finished: FinishedStep, message: str) -> None:
        """As the protocol says. After a failure the workspace stays as of the last step that completed: a retry goes on there.

        The end of the last step is committed with that of the task, which follows at once; nobody needs the workspace after it.
        """
        self._has_failed = self._has_failed or finished.status == "failed"
        content = {**finished.output, **({HIDDEN: list(finished.hidden)} if finished.hidden else {})}
        result = self._cipher.encrypt_json(content, f"{self.task_id}/steps/{step_id}")
        step = StoredStep(step_id, self._positions.get(step_id, len(self._positions)), finished.status, result)
        is_last = finished.status == "completed" and step.position == len(self._positions) - 1
        snapshot = None if self._has_failed or is_last else await self._snapshots.take()

        async def write(connection: AsyncConnection) -> None:
            await put_step(connection, self.task_id, step)
            await self._snapshots.keep(connection, snapshot)

        event = _log_event(self.task_id, message, step_id, finished.status)
        if is_last:
            await self._journal.add_with(event, write)
        else:
            await self._journal.commit([event], write, progress=True)
            await self._snapshots.settle(snapshot)
        self.current_step = None

    async def save_checkpoint(self, step_id: str, key: str, value: Any) -> None:
        """As the protocol says."""
        stored = self._cipher.encrypt_json(value, _checkpoint_place(self.task_id, step_id, key))
        snapshot = None if self._has_failed else await self._snapshots.take()

        async def write(connection: AsyncConnection) -> None:
            await put_checkpoint(connection, self.task_id, step_id, key, stored)
            await self._snapshots.keep(connection, snapshot)

        await self._journal.commit((), write, progress=True)
        await self._snapshots.settle(snapshot)


def read_secrets(cipher: Cipher, task_id: str, stored: bytes | None) -> dict[str, str]:
    """The task's secrets in clear; empty once they are erased."""
    if stored is None:
        return {}
    secrets: dict[str, str] = cipher.decrypt_json(stored, f"{task_id}/secrets")
    return secrets


def write_secrets(cipher: Cipher, task_id: str, secrets: Mapping[str, str]) -> bytes:
    """The task's secrets for its row."""
    return cipher.encrypt_json(dict(secrets), f"{task_id}/secrets")


def read_spec(text: str) -> TaskSpec:
    """A stored spec."""
    spec: TaskSpec = loads(text)
    return spec


def _finished(step: StoredStep, content: dict[str, Any]) -> FinishedStep:
    hidden = content.pop(HIDDEN, ())
    status: StepStatus = step.status  # type: ignore[assignment] # only FinishedStep's own statuses are stored
    return FinishedStep(status, content, hidden)


def _log_event(task_id: str, message: str, step_id: str | None, status: StepStatus | None) -> NewEvent:
    body: dict[str, Any] = {"message": message}
    if step_id is not None:
        body["stepId"] = step_id
    if status is not None:
        body["status"] = status
    return NewEvent(task_id, "log", body)


def _checkpoint_place(task_id: str, step_id: str, key: str) -> str:
    return f"{task_id}/checkpoints/{step_id}/{key}"
