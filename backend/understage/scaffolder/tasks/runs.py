"""What one process runs at the moment, for either engine: claimed tasks, their leases, and how they are interrupted."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from understage.platform.database import Database
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.store.announce_queue import announce_queue
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.notify import notify
from understage.scaffolder.store.renew_leases import release_claim
from understage.scaffolder.tasks.engine import EngineTimes, Execute, Interruption, RunControl
from understage.scaffolder.tasks.heartbeat import Heartbeat, Owned
from understage.scaffolder.tasks.owners import name_owner
from understage.scaffolder.tasks.unblocking import Unblocking

log = structlog.get_logger(__name__)

LONGEST_HANDOVER = 10.0
IS_FULL = "this service already runs as many tasks as it may at once"


@dataclass
class _Run:
    claim: Claim
    control: RunControl
    task: asyncio.Task[None]


class Runs:
    """Runs of claimed tasks; `on_end` is called after each. Leases are kept from a thread of their own, see `heartbeat`."""

    def __init__(
        self,
        database: Database,
        execute: Execute,
        signals: TaskSignals,
        times: EngineTimes,
        *,
        on_end: Callable[[], None],
    ) -> None:
        self.owner = name_owner(database)
        self._database = database
        self._execute = execute
        self._signals = signals
        self._grace = times.grace
        self._on_end = on_end
        self._runs: dict[str, _Run] = {}
        self._fences: dict[str, int] = {}
        self._unblocking = Unblocking()
        self._heartbeat = Heartbeat(
            database.separate,
            owner=self.owner,
            lease=times.lease,
            interval=times.heartbeat,
            watched=lambda: dict(self._fences),
            report=self._on_heartbeat,
            unblock=self._unblocking.interrupt,
        )

    def __len__(self) -> int:
        """How many there are."""
        return len(self._runs)

    @property
    def task_ids(self) -> list[str]:
        """Their tasks."""
        return list(self._runs)

    @property
    def problem(self) -> Exception | None:
        """What keeps leases from being renewed."""
        return self._heartbeat.problem

    def keep_leases(self) -> None:
        """Begin to renew leases."""
        self._unblocking.start()
        self._heartbeat.start()

    def start(self, claim: Claim, control: RunControl) -> "asyncio.Task[None]":
        """Run a claim."""
        log.info("task taken", task=claim.task_id, fence=claim.fence, resumed=claim.resumed)
        self._fences[claim.task_id] = claim.fence
        task = asyncio.create_task(self._execute(claim, control), name=f"task {claim.task_id}")
        self._runs[claim.task_id] = _Run(claim, control, task)
        task.add_done_callback(lambda _task: self._end(claim))
        return task

    async def release(self, claim: Claim) -> None:
        """Leave a claim that is not started to others."""
        async with self._database.write() as connection:
            await release_claim(connection, claim.task_id, claim.fence)
            await notify(connection, "queue", claim.task_id, sender=self._signals.sender)

    def interrupt(self, task_id: str, reason: Interruption) -> None:
        """End a run for that reason; nothing to do for one that is not here or has ended."""
        run = self._runs.get(task_id)
        if run is None or run.control.interruption is not None or run.control.is_over:
            return
        run.control.interrupt(reason)
        run.task.cancel()

    async def drop(self, task_id: str) -> None:
        """End a run whose task was given to another, and wait for that."""
        run = self._runs.get(task_id)
        if run is not None:
            self.interrupt(task_id, "lost")
            await asyncio.wait({run.task})

    async def stop(self) -> None:
        """Give runs a short grace, hand the others over. Leases are kept until the last run has let go of its task."""
        running = [run.task for run in self._runs.values()]
        if running:
            await asyncio.wait(running, timeout=self._grace)
        for task_id in list(self._runs):
            self.interrupt(task_id, "handover")
        left = [run.task for run in self._runs.values()]
        if left:
            await asyncio.wait(left, timeout=LONGEST_HANDOVER)
        await self._heartbeat.stop()
        self._unblocking.stop()

    async def announce(self, reason: str = IS_FULL) -> None:
        """Tell waiting tasks, in their logs, how many are ahead of them and why they wait."""
        async with self._database.write() as connection:
            told = await announce_queue(connection, reason)
            await notify(connection, "event", *told, sender=self._signals.sender)
        for task_id in told:
            self._signals.changed(task_id)

    def _end(self, claim: Claim) -> None:
        run = self._runs.get(claim.task_id)
        if run is None or run.claim.fence != claim.fence:
            return
        del self._runs[claim.task_id]
        self._fences.pop(claim.task_id, None)
        if not run.task.cancelled() and (error := run.task.exception()) is not None:
            log.error("a task's run broke; another run will continue it", task=claim.task_id, exc_info=error)
        self._on_end()

    def _on_heartbeat(self, watched: Mapping[str, int], owned: Owned) -> None:
        for task_id, fence in watched.items():
            run = self._runs.get(task_id)
            if run is None or run.claim.fence != fence:
                continue
            found = owned.get(task_id)
            if found is None or found[0] != fence:
                self.interrupt(task_id, "lost")
            elif found[1]:
                self.interrupt(task_id, "cancel")
