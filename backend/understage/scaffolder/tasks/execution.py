"""A claimed task from claim to end: workspace, interpreter, interruption, completion. The engines' `Execute`.

The interpreter (`run_steps`) is handed in. Whatever it does, the run ends in one of four ways: completed or failed (the
completion event, the status and the erased secrets are one transaction); cancelled (the same, as failed); handed over (the
lease is given back); lost (nothing is written any more).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.propagate import extract
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.errors import UnderstageError
from understage.identity.audit import AuditEvent, Auditor
from understage.platform.database import Database
from understage.platform.json import dumps
from understage.platform.telemetry import tracer
from understage.scaffolder.cipher import Cipher
from understage.scaffolder.events import TaskSignals
from understage.scaffolder.steps.run import LostTaskError, Outcome, TaskRun
from understage.scaffolder.store.append_events import NewEvent
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.finish_task import forget_after_end
from understage.scaffolder.store.notify import notify
from understage.scaffolder.store.renew_leases import release_claim
from understage.scaffolder.store.select_running import select_running
from understage.scaffolder.tasks.commits import Commits
from understage.scaffolder.tasks.engine import RunControl
from understage.scaffolder.tasks.journal import Journal
from understage.scaffolder.tasks.measures import measure_task
from understage.scaffolder.tasks.outage import through_outage
from understage.scaffolder.tasks.parameters_audit import shorten
from understage.scaffolder.tasks.run import ClaimedRun, Rest, read_rest, read_secrets, read_spec
from understage.scaffolder.tasks.snapshots import Snapshots
from understage.scaffolder.workspace import SnapshotStore, remove_folder

log = structlog.get_logger(__name__)

RunSteps = Callable[[TaskRun], Awaitable[Outcome]]

INTERRUPTION_SECONDS = 0.5
HANDOVER_SECONDS = 5.0
MAX_DEATHS = 5
TASK_ID_LENGTH = 36


class _TaskFailedError(UnderstageError):
    """For the audit log: the task ended with an error."""


class Execution:
    """Executes claims, any number at once. `folder` holds the workspaces of this machine."""

    def __init__(
        self,
        database: Database,
        run_steps: RunSteps,
        *,
        signals: TaskSignals,
        cipher: Cipher,
        snapshots: SnapshotStore,
        folder: Path,
        auditor: Auditor,
        audited_length: int = 256,
    ) -> None:
        self._database = database
        self._commits = Commits(database, signals.sender)
        self._run_steps = run_steps
        self._signals = signals
        self._cipher = cipher
        self._store = snapshots
        self._folder = folder
        self._auditor = auditor
        self._audited_length = audited_length

    async def __call__(self, claim: Claim, control: RunControl) -> None:
        """As `tasks.engine.Execute` says."""
        journal = Journal(
            self._commits,
            claim.task_id,
            fence=claim.fence,
            number=claim.journal,
            changed=self._signals.changed,
        )
        self._signals.changed(claim.task_id)
        work = asyncio.create_task(self._run(claim, journal, control), name=f"steps of {claim.task_id}")
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            await self._interrupt(claim, journal, control, work)
            return
        with suppress(LostTaskError):
            work.result()

    async def clean(self) -> None:
        """Remove the folders of tasks that nobody runs: what a killed process left. Called before the first claim."""
        if not self._folder.exists():
            return
        folders = {path: path.name[:TASK_ID_LENGTH] for path in self._folder.iterdir()}
        async with self._database.read() as connection:
            running = await select_running(connection, set(folders.values()))
        for path, task_id in folders.items():
            if task_id not in running:
                await asyncio.to_thread(remove_folder, path)

    async def _interrupt(self, claim: Claim, journal: Journal, control: RunControl, work: "asyncio.Task[None]") -> None:
        """End the run for another reason than its own. An action that does not let go is left behind, unable to write."""
        if control.interruption == "lost":
            journal.close()
        work.cancel()
        _, pending = await asyncio.wait({work}, timeout=INTERRUPTION_SECONDS)
        journal.close()
        if pending:
            log.warning("a task's action goes on although it was interrupted", task=claim.task_id)
            work.add_done_callback(_see)
        if control.is_over or control.interruption == "lost":
            return
        if control.interruption == "cancel":
            with suppress(LostTaskError):
                await self._finish(claim, journal, control, self._cancelled(claim, control))
            return
        # With the database away the lease runs out by itself; the end of the process does not wait for that.
        with suppress(TimeoutError):
            async with asyncio.timeout(HANDOVER_SECONDS):
                with suppress(LostTaskError):
                    await journal.commit(last=True)
                await through_outage(lambda: self._release(claim), name="release of a task")

    async def _release(self, claim: Claim) -> None:
        async with self._database.write() as connection:
            await release_claim(connection, claim.task_id, claim.fence)
            await notify(connection, "queue", claim.task_id, sender=self._signals.sender)

    async def _run(self, claim: Claim, journal: Journal, control: RunControl) -> None:
        spec = read_spec(claim.spec)
        template = (spec.get("templateInfo") or {}).get("entityRef") or ""
        parent = extract({"traceparent": claim.traceparent}) if claim.traceparent else None
        attributes: dict[str, Any] = {"scaffolder.task.id": claim.task_id, "scaffolder.template": template}
        with tracer.start_as_current_span("scaffolder.task", context=parent, attributes=attributes) as span:
            done = measure_task(template, before=control.before)
            status = "interrupted"
            try:
                with self._audited(claim, spec, control) as event:
                    try:
                        outcome = await self._outcome(claim, journal, control)
                    except asyncio.CancelledError:
                        if control.interruption != "cancel":
                            raise
                        status = "cancelled"
                        raise _TaskFailedError(f"Task {claim.task_id} has been cancelled.") from None
                    if outcome.next_step is not None:
                        event.suspend()
                        return
                    status = "completed" if outcome.error is None else "failed"
                    if outcome.error is not None:
                        span.set_status(trace.Status(trace.StatusCode.ERROR, outcome.error["name"]))
                        raise _TaskFailedError(outcome.error["message"])
            except _TaskFailedError:
                log.info("task failed", task=claim.task_id, status=status)
            finally:
                if status != "interrupted":
                    done(status)
                if control.removal is not None:
                    await asyncio.shield(control.removal)

    async def _outcome(self, claim: Claim, journal: Journal, control: RunControl) -> Outcome:
        """Run and finish, whatever happens but interruption."""
        if claim.cancel_requested:
            outcome = self._cancelled(claim, control)
        elif claim.deaths >= MAX_DEATHS:
            outcome = _failure(
                "Error", f"The task was given up: its worker died {claim.deaths} times at the same place"
            )
        else:
            outcome = await self._run_in_workspace(claim, journal, control)
        outcome = _storable(outcome)
        if control.interruption is not None:
            # The interruption came while the interpreter was ending; how the run ends is decided there.
            raise asyncio.CancelledError
        if outcome.next_step is not None:
            control.next_step = outcome.next_step
            return outcome
        await self._finish(claim, journal, control, outcome)
        return outcome

    async def _run_in_workspace(self, claim: Claim, journal: Journal, control: RunControl) -> Outcome:
        snapshots: Snapshots | None = None
        try:
            rest = await self._rest(claim)
            snapshots = Snapshots(
                claim.task_id,
                self._folder / f"{claim.task_id}-{claim.fence}",
                fence=claim.fence,
                cipher=self._cipher,
                store=self._store,
                stored=rest.snapshot,
            )
            await snapshots.restore()
            secrets = read_secrets(self._cipher, claim.task_id, claim.secrets)
            run = ClaimedRun(
                claim.task_id,
                read_spec(claim.spec),
                secrets,
                rest.state,
                journal=journal,
                snapshots=snapshots,
                cipher=self._cipher,
                portion=control.portion,
            )
            control.run = run
            control.discard = snapshots.discard
            outcome = await self._run_steps(run)
        except LostTaskError:
            raise
        except UnderstageError as error:
            outcome = _failure(error.name, error.message)
        except Exception:
            log.exception("the interpreter broke", task=claim.task_id)
            outcome = _failure(
                "Error", "The task ended by an internal error; the service's log has it under the task's id"
            )
        finally:
            if snapshots is not None:
                control.removal = asyncio.create_task(snapshots.remove_folder())
        return outcome

    async def _rest(self, claim: Claim) -> Rest:
        """What earlier runs left: nothing where none has ever written."""
        if claim.journal == 0:
            return Rest()
        return await through_outage(
            lambda: read_rest(self._database, claim.task_id, self._cipher), name="start of a task"
        )

    async def _finish(self, claim: Claim, journal: Journal, control: RunControl, outcome: Outcome) -> None:
        status = "completed" if outcome.error is None else "failed"
        body: dict[str, Any] = {"message": f"Run completed with status: {status}"}
        body |= {"output": dict(outcome.output or {})} if outcome.error is None else {"error": dict(outcome.error)}

        async def forget(connection: AsyncConnection) -> None:
            await forget_after_end(
                connection,
                claim.task_id,
                status,
                is_recoverable=claim.is_recoverable,
                secret_checkpoints=outcome.secret_checkpoints,
            )

        await journal.finish(status, NewEvent(claim.task_id, "completion", body), forget)
        control.is_over = True
        if outcome.error is None and control.discard is not None:
            await control.discard()
        log.info("task ended", task=claim.task_id, status=status)

    def _cancelled(self, claim: Claim, control: RunControl) -> Outcome:
        step_id = control.run.current_step if control.run is not None else None
        if step_id is None:
            return _failure("Error", f"Task {claim.task_id} has been cancelled.")
        names = {step["id"]: step["name"] for step in read_spec(claim.spec)["steps"]}
        return _failure("Error", f"Step {step_id} ({names.get(step_id)}) of task {claim.task_id} has been cancelled.")

    @contextmanager
    def _audited(self, claim: Claim, spec: Mapping[str, Any], control: RunControl) -> Iterator[AuditEvent]:
        meta = {
            "actionType": "execution",
            "taskId": claim.task_id,
            "createdBy": claim.created_by,
            "taskParameters": shorten(spec.get("parameters"), self._audited_length),
            "templateRef": (spec.get("templateInfo") or {}).get("entityRef"),
        }
        continues = control.portion is not None and control.portion.start > 0
        with self._auditor.event("task", severity="medium", meta=meta, continues=continues) as event:
            yield event


def _failure(name: str, message: str) -> Outcome:
    return Outcome(error={"name": name, "message": message})


def _storable(outcome: Outcome) -> Outcome:
    """The same, or a failure that says why it cannot be stored."""
    try:
        dumps(dict(outcome.output or {}))
    except TypeError as error:
        return _failure("TypeError", f"The output of the task cannot be written as JSON: {error}")
    return outcome


def _see(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
