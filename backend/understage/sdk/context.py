"""What an action gets beside its input: the task, the workspace, a log, secrets, checkpoints and the ports."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from understage.sdk.ports import Ports
from understage.sdk.secret import Secret
from understage.sdk.workspace import Workspace

T = TypeVar("T")
UNDO = "undo."
"""What the keys of checkpoints begin with that say how an effect is undone: `{action, input, at}`."""


class StepLog(Protocol):
    """The step's part of the task log: what the user sees while the task runs. Secrets are redacted on the way.

    Write from the event loop only, not from a function that runs in a thread (`asyncio.to_thread`).
    """

    def debug(self, message: str, **meta: Any) -> None:
        """Shown only when the service runs with LOG_LEVEL=debug."""

    def info(self, message: str, **meta: Any) -> None:
        """Write a line; `meta` is appended as JSON."""

    def warn(self, message: str, **meta: Any) -> None:
        """Write a line marked as a warning."""

    def error(self, message: str, **meta: Any) -> None:
        """Write a line marked as an error."""


@dataclass(frozen=True)
class TaskInfo:
    """The task that runs; `id` is stable over restarts, so it may key idempotent effects."""

    id: str


@dataclass(frozen=True)
class StepInfo:
    """The step that runs."""

    id: str
    name: str


@dataclass(frozen=True)
class TemplateInfo:
    """The template the task was made of. `base_url` is where its relative URLs start (`file://…` or `https://…`)."""

    entity_ref: str
    base_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UserInfo:
    """Who created the task; both members are None for a service. `entity` is the catalog's User entity."""

    ref: str | None = None
    entity: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ActionContext:
    """Everything an action may use. The world is reached through `ports` only.

    `checkpoint` runs `function` once per task, step and key: its JSON-ready result is stored, and returned without a new call
    when the step runs again after a restart or a retry. Wrap each effect that must not happen twice.
    `temporary_directory` makes an empty folder outside the workspace that is removed when the step ends.
    `defaults` are those of the `scaffolder` section, by its keys: `defaultAuthor` ({name, email}), `defaultCommitMessage`;
    and by keys of our own: `userCredentialsHosts` (hosts that must not be read with the service's own credentials),
    `gitopsRepository` ({host?, owner, name}), `templateRoots` (absolute folders; templates read from files may fetch from
    the whole of the one they are in, else from beside them only). What is not configured is absent.
    `hide` makes a secret of a text that the action was given by somebody else, such as a token that was made for it: from then on
    it is shown nowhere, and is a secret to later steps, too. Call it before the text gets into a checkpoint.
    """

    task: TaskInfo
    step: StepInfo
    workspace: Workspace
    log: StepLog
    ports: Ports
    secrets: Mapping[str, str]
    user: UserInfo
    template: TemplateInfo | None
    is_dry_run: bool
    run_checkpoint: Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
    temporary_directory: Callable[[], Path]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    hide: Callable[[str], str] = Secret

    async def checkpoint(self, key: str, function: Callable[[], Awaitable[T]]) -> T:
        """Run `function` once per task, step and `key`; return its stored result on every later run."""
        result: T = await self.run_checkpoint(key, function)
        return result

    async def undo_by(self, effect: str, action: str, input: Mapping[str, Any]) -> None:
        """Note which action, with which input, undoes an effect. Call it before the effect, and only for what is not there yet.

        `effect` names it within the step. A note is kept once: when the step runs again, what an earlier run made is still the
        task's own. The action must leave alone what others changed meanwhile, and take what is gone for done. A dry run notes
        nothing. No part of `input` may be a secret.
        """
        if self.is_dry_run:
            return

        async def note() -> dict[str, Any]:
            return {"action": action, "input": dict(input), "at": time.time_ns()}

        await self.checkpoint(f"{UNDO}{effect}", note)
