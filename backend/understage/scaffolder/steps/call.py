"""One call of an action: its context, its checkpoints, its temporary folders, and its end when it is interrupted."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from understage.platform.json import dumps, loads
from understage.scaffolder.actions import AnyAction
from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.lines import Lines
from understage.scaffolder.steps.log import LineLog
from understage.scaffolder.steps.run import TaskRun
from understage.scaffolder.steps.tainting import Taint
from understage.sdk import ActionContext, StepInfo, Workspace

log = structlog.get_logger(__name__)

INTERRUPTION_GRACE = 0.3


class ActionCall:
    """Calls actions for one step."""

    def __init__(
        self, facts: TaskFacts, run: TaskRun, lines: Lines, line_log: LineLog, step: StepInfo, taint: Taint
    ) -> None:
        self._facts = facts
        self._run = run
        self._lines = lines
        self._log = line_log
        self._step = step
        self._taint = taint
        self._hidden_keys: dict[str, str] = {}
        self._stored = {key: value for (step_id, key), value in run.state.checkpoints.items() if step_id == step.id}

    async def run(self, action: AnyAction, input: BaseModel, *, suffix: str = "") -> dict[str, Any]:
        """Run the action; returns its output as templates see it. `suffix` tells the checkpoints of iterations apart."""
        with _temporary_folders(self._facts.workspace, self._step.id) as make_folder:
            context = ActionContext(
                task=self._facts.task,
                step=self._step,
                # Many steps never look at it, and to make a folder takes some disks longer than all the rest.
                workspace=Workspace(self._facts.workspace, make=True),
                log=self._log,
                ports=self._facts.ports,
                secrets={name: self._taint.secret(value) for name, value in self._facts.secrets.items()},
                user=self._facts.user,
                template=self._facts.template,
                is_dry_run=self._facts.is_dry_run,
                run_checkpoint=lambda key, function: self.checkpoint(f"{key}{suffix}", function),
                temporary_directory=make_folder,
                defaults=self._facts.defaults,
                hide=self._taint.hide,
            )
            return action.dump_output(await _interruptible(action, context, input))

    async def checkpoint(self, key: str, function: Callable[[], Awaitable[Any]]) -> Any:
        """The stored value of the key, else that of `function`, stored. Raises TypeError for what is no JSON."""
        key = self._shown_key(key)
        if key in self._stored:
            return self._stored[key]
        value = loads(dumps(await function()))
        await self._lines.drain()
        await self._run.save_checkpoint(self._step.id, key, value)
        self._taint.stored[self._step.id, key] = value
        self._stored[key] = value
        return value

    def _shown_key(self, key: str) -> str:
        """The key as it may stand in a row. Those with secrets in them are told apart by the order they come in."""
        # No column takes a zero byte, or half of a pair of surrogates, as in names of files that are not UTF-8.
        key = key.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
        shown = self._taint.redactor.redact(key)
        if shown == key:
            return key
        return self._hidden_keys.setdefault(key, f"{shown}#{len(self._hidden_keys)}")


async def _interruptible(action: AnyAction, context: ActionContext, input: BaseModel) -> BaseModel | None:
    """Await the action in a task of its own, so that one which ignores its cancellation does not hold the run."""
    call = asyncio.create_task(_called(action, context, input), name=action_task_name(context.task.id))
    try:
        await asyncio.wait({call})
    except asyncio.CancelledError:
        call.cancel()
        _, pending = await asyncio.wait({call}, timeout=INTERRUPTION_GRACE)
        if pending:
            log.warning("an action goes on although it was interrupted", action=action.id, task=context.task.id)
        elif not call.cancelled():
            call.exception()  # seen: what an interrupted action raises says nothing more
        raise
    return call.result()


async def _called(action: AnyAction, context: ActionContext, input: BaseModel) -> BaseModel | None:
    return await action(context, input)


def action_task_name(task_id: str) -> str:
    """The name of the asyncio task in which an action of a task runs: by it one that holds the loop is told from others."""
    return f"action of {task_id}"


@contextmanager
def _temporary_folders(workspace: Path, step_id: str) -> Iterator[Callable[[], Path]]:
    """Folders beside the workspace, removed at the end."""
    made: list[Path] = []
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", step_id)[:40]

    def make() -> Path:
        workspace.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=workspace.parent, prefix=f"{workspace.name}_step-{safe}-"))
        made.append(folder)
        return folder

    try:
        yield make
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
