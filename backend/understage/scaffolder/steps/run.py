"""What stands between the interpreter of steps and the engine that owns a task: one claimed run of one task.

The engine (`tasks`) implements `TaskRun` for a task it has claimed, the dry run implements it in memory; `steps.interpreter`
is the only caller. Every write goes out under the fencing number of the claim: a run that lost its task gets `LostTaskError`
from the next call and must end without another effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from understage.errors import UnderstageError

StepStatus = Literal["processing", "completed", "failed", "skipped", "cancelled"]


class LostTaskError(UnderstageError):
    """Another worker owns the task now; nothing may be written any more."""

    name = "ConflictError"
    status = 409


@dataclass(frozen=True)
class FinishedStep:
    """A step that ended in an earlier run: its status and, when completed, its output.

    `hidden` are the texts that were found to be secret while it ran; a later run must not show them either.
    """

    status: StepStatus
    output: Mapping[str, Any] = field(default_factory=dict)
    hidden: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class TaskState:
    """What earlier runs of the task left: finished steps by id, stored checkpoints by (step id, key)."""

    steps: Mapping[str, FinishedStep] = field(default_factory=dict)
    checkpoints: Mapping[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Portion:
    """The part of a task that an engine wants to have run: from a step to the first one that completes.

    What comes after a failure belongs to the portion of the failed step: it sees the workspace as that step left it.
    `start` is the position of the first step; above 0 the run before went on until there and has told so far.
    """

    start: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with its output, or with an error `{name, message}` that is safe to show.

    `next_step`, the position of a step, says instead that a portion has ended and the task has not. `secret_checkpoints` are
    those, by step id and key, that hold a secret.
    """

    output: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    next_step: int | None = None
    secret_checkpoints: Sequence[tuple[str, str]] = field(default=(), repr=False)


class TaskRun(Protocol):
    """One claimed run. Messages are redacted before they come here."""

    @property
    def task_id(self) -> str:
        """The task's id."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The task's spec as stored."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The task's secrets in clear, in memory only."""

    @property
    def state(self) -> TaskState:
        """What earlier runs left."""

    @property
    def workspace(self) -> Path:
        """The task's folder, as the last finished step left it; not there as long as no step has wanted it."""

    @property
    def portion(self) -> Portion | None:
        """Which part of the task to run; None for all that is left."""

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel was asked for; the engine also cancels the running asyncio task."""

    async def log(self, message: str, *, step_id: str | None = None, status: StepStatus | None = None) -> None:
        """Append a log event. Lines are kept in order and may be written in batches; `finish_step` writes them all."""

    async def finish_step(self, step_id: str, finished: FinishedStep, message: str) -> None:
        """Store output, closing event and workspace snapshot of a step in one commit."""

    async def save_checkpoint(self, step_id: str, key: str, value: Any) -> None:
        """Store a checkpoint's JSON value, with the workspace snapshot."""
