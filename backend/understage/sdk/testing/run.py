"""Run one action as the service's step runner does: input checked, output dumped, log recorded, checkpoints kept."""

import json
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from understage.sdk.action import Action
from understage.sdk.context import ActionContext, StepInfo, StepLog, TaskInfo, TemplateInfo, UserInfo
from understage.sdk.ports import Ports
from understage.sdk.secret import Secret
from understage.sdk.testing.ports import fake_ports
from understage.sdk.workspace import Workspace

Level = Literal["debug", "info", "warn", "error"]


@dataclass(frozen=True)
class LogLine:
    """One line of the step's log, as the user sees it; `meta` is part of `text` already."""

    level: Level
    text: str


@dataclass
class RecordedLog:
    """A `StepLog` that keeps its lines, the values of `secrets` replaced by `***`.

    Raises RuntimeError when it is written from another thread than the one that made it: the service's log is not for that.
    """

    secrets: Mapping[str, str] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)

    def debug(self, message: str, **meta: Any) -> None:
        """Keep a line."""
        self._keep("debug", message, meta)

    def info(self, message: str, **meta: Any) -> None:
        """Keep a line."""
        self._keep("info", message, meta)

    def warn(self, message: str, **meta: Any) -> None:
        """Keep a line."""
        self._keep("warn", message, meta)

    def error(self, message: str, **meta: Any) -> None:
        """Keep a line."""
        self._keep("error", message, meta)

    def _keep(self, level: Level, message: str, meta: Mapping[str, Any]) -> None:
        if threading.get_ident() != self.thread:
            raise RuntimeError("ctx.log was written from a thread: return what to log, and log it on the event loop")
        text = f"{message} {json.dumps(meta)}" if meta else message
        for secret in self.secrets.values():
            if len(secret.strip()) > 1:
                text = text.replace(secret.strip(), "***")
        self.lines.append(LogLine(level, text))


@dataclass
class Checkpoints:
    """The checkpoints of a step. Hand the same object to two runs to test what a resumed step does again."""

    values: dict[str, Any] = field(default_factory=dict)

    async def run(self, key: str, function: Callable[[], Awaitable[Any]]) -> Any:
        """The stored result of `key`, else call `function` and store what it returns.

        Raises TypeError for a result that JSON has no form for: the service could not store it.
        """
        if key not in self.values:
            self.values[key] = json.loads(json.dumps(await function()))
        return self.values[key]


@dataclass(frozen=True)
class ActionResult:
    """What a run gave: `output` as templates see it (camelCase), the log's lines with levels, and what was made a secret."""

    output: dict[str, Any]
    lines: tuple[LogLine, ...]
    hidden: tuple[str, ...] = ()

    @property
    def log(self) -> list[str]:
        """The texts of the log lines, in order."""
        return [line.text for line in self.lines]


def make_context(
    workspace: Path,
    *,
    ports: Ports | None = None,
    log: StepLog | None = None,
    secrets: Mapping[str, str] | None = None,
    template: TemplateInfo | None = None,
    user: UserInfo | None = None,
    dry_run: bool = False,
    checkpoints: Checkpoints | None = None,
    defaults: Mapping[str, Any] | None = None,
    task_id: str = "test-task",
    temporary_directory: Callable[[], Path] | None = None,
    hide: Callable[[str], str] = Secret,
) -> ActionContext:
    """An `ActionContext` for a direct call of an action; what is not given is empty or a fake.

    Without `temporary_directory` the folders an action asks for are made beside the workspace and left there.
    """

    def make_folder() -> Path:
        return Path(tempfile.mkdtemp(dir=workspace.parent, prefix=f"{workspace.name}-tmp-"))

    return ActionContext(
        task=TaskInfo(id=task_id),
        step=StepInfo(id="step", name="Step"),
        workspace=Workspace(workspace),
        log=log or RecordedLog(secrets or {}),
        ports=ports or fake_ports(),
        secrets=secrets or {},
        user=user or UserInfo(),
        template=template,
        is_dry_run=dry_run,
        run_checkpoint=(checkpoints or Checkpoints()).run,
        temporary_directory=temporary_directory or make_folder,
        defaults=defaults or {},
        hide=hide,
    )


async def run_action(
    action: Action[Any, Any],
    input: Mapping[str, Any],
    *,
    workspace: Path,
    ports: Ports | None = None,
    dry_run: bool = False,
    secrets: Mapping[str, str] | None = None,
    template: TemplateInfo | None = None,
    user: UserInfo | None = None,
    checkpoints: Checkpoints | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> ActionResult:
    """Run `action` on `input`, written as in a template (camelCase keys). `workspace` is an existing folder.

    Raises InputError for an input the action's model refuses, whatever the action raises, and ValueError for a dry run
    of an action that does not support it (the service skips such a step).
    """
    if dry_run and not action.supports_dry_run:
        raise ValueError(f"action {action.id} does not support dry-run: the service would skip the step")
    log = RecordedLog(secrets or {})
    parsed: BaseModel = action.parse_input(input)
    hidden: list[str] = []

    def hide(text: str) -> Secret:
        hidden.append(text)
        return Secret(text)

    with ExitStack() as folders:

        def make_folder() -> Path:
            return Path(folders.enter_context(tempfile.TemporaryDirectory(prefix="understage-test-")))

        context = make_context(
            workspace,
            ports=ports,
            log=log,
            secrets=secrets,
            template=template,
            user=user,
            dry_run=dry_run,
            checkpoints=checkpoints,
            defaults=defaults,
            temporary_directory=make_folder,
            hide=hide,
        )
        output = await action(context, parsed)
    return ActionResult(output=action.dump_output(output), lines=tuple(log.lines), hidden=tuple(hidden))
