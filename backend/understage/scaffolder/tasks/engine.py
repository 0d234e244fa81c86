"""The port of task engines: what runs tasks, and decides which process does.

A task is its row; the engine is told about it after the row is committed, and finds by itself what it was not told about
(a process may die in between). A new task need not wait for that: the row may say from the first who runs it.
`database_engine` is the default, `temporal_engine` schedules elsewhere. Both promise:

- every open task is run, the oldest first (by Temporal: about so), by one worker at a time, and continued elsewhere when that
  worker dies;
- what a run writes, it writes under the fence of its claim;
- a task whose row says `cancel_requested` is interrupted within a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from understage.platform.database import Database
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.steps.run import Portion
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.create_task import Holder
from understage.scaffolder.tasks.run import ClaimedRun

Interruption = Literal["cancel", "handover", "lost"]


@dataclass(frozen=True)
class EngineTimes:
    """Seconds: how long a silent worker keeps its tasks, how often it renews, how often it looks for abandoned ones.

    `silence` is after how long they look whether the process of a silent worker is gone; then they do not wait for the lease.
    `grace` is what running tasks get to end by themselves when the service stops, before others continue them.
    """

    lease: float = 8.0
    heartbeat: float = 0.5
    poll: float = 1.0
    silence: float = 3.0
    grace: float = 3.0


@dataclass
class RunControl:
    """How the engine speaks to a run: why it was interrupted; and the run back: nothing is left to interrupt.

    `run`, `discard` and `removal` belong to the execution: what runs, what to throw away after a success, and the removal of
    the folder, which holds up nobody. An engine that wants the task run in portions sets `portion`, and `before`, the seconds
    since the task began; it finds `next_step` when there is one.
    """

    interruption: Interruption | None = None
    is_over: bool = False
    run: ClaimedRun | None = None
    discard: Callable[[], Awaitable[None]] | None = None
    removal: asyncio.Task[None] | None = None
    portion: Portion | None = None
    before: float = 0.0
    next_step: int | None = None

    def interrupt(self, reason: Interruption) -> None:
        """Note why; the first reason stands."""
        self.interruption = self.interruption or reason
        if self.run is not None and self.interruption == "cancel":
            self.run.cancel()


class Execute(Protocol):
    """Runs a claimed task to its end, or to its interruption (CancelledError at any await). Never raises anything else."""

    async def __call__(self, claim: Claim, control: RunControl) -> None:
        """Run it."""


StoreTask = Callable[[Holder | None], Awaitable[Claim | None]]
"""Stores a new task durably, claimed by a holder or, without one, open; returns the claim."""


class TaskEngine(Protocol):
    """Runs tasks."""

    async def start(self) -> None:
        """Begin to take tasks."""

    async def stop(self) -> None:
        """Take no more; let running ones end for a short grace, then hand them over to other processes at once."""

    async def place(self, store: StoreTask) -> None:
        """Have a new task stored and run: by this process at once where there is room and nobody waits, else in its turn."""

    async def submit(self, task_id: str) -> None:
        """There is an open task."""

    async def interrupt(self, task_id: str) -> None:
        """The row of the task says that it is to be cancelled: see to it now."""

    @property
    def problem(self) -> Exception | None:
        """What keeps the engine from taking tasks at the moment, for health checks."""


class EngineFactory(Protocol):
    """Makes an engine that runs up to `limit` tasks, or steps of tasks, at once in this process."""

    def __call__(
        self, database: Database, execute: Execute, signals: TaskSignals, *, limit: int, times: EngineTimes | None
    ) -> TaskEngine:
        """Make it; it takes nothing before its start."""
        ...
