"""Dry runs: a template that no catalog knows, run in memory by the same interpreter. Called by `api.dry_run`.

Files of the template editor are written into a folder beside the workspace, which relative URLs of the template read.
Order of checks, messages and answer are those of Backstage scaffolder-backend 4.2.0.
"""

import asyncio
import base64
import binascii
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.errors import (
    AuthenticationError,
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnderstageError,
)
from understage.identity.credentials import Credentials
from understage.identity.permissions import SCAFFOLDER_TASK_CREATE, SCAFFOLDER_TEMPLATE_DRY_RUN
from understage.model.task import TaskSpec, build_task_spec
from understage.model.template import API_VERSION, Template, read_template
from understage.scaffolder.access import Access
from understage.scaffolder.parameters import check_secrets, check_values
from understage.scaffolder.steps.interpreter import Interpreter, complete_secrets
from understage.scaffolder.steps.redaction import Redactor
from understage.scaffolder.steps.run import FinishedStep, Outcome, Portion, StepStatus, TaskState
from understage.scaffolder.task_factory import check_step_ids
from understage.scaffolder.templates import Templates
from understage.sdk import Workspace

TEMPLATE_REF = "template:default/dry-run"
_BY_NAME: Mapping[str, type[UnderstageError]] = {
    error.name: error
    for error in (AuthenticationError, ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError)
} | {"TemplateRenderError": InputError, "TemplateLimitError": InputError}


@dataclass(frozen=True)
class DryRunRequest:
    """The body: a template entity, form values, secrets, and the files beside the template by path."""

    template: Any
    values: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Sequence[tuple[str, str]] = ()


@dataclass
class MemoryRun:
    """A `TaskRun` that keeps its log in memory and stores nothing."""

    task_id: str
    spec: TaskSpec
    secrets: Mapping[str, str]
    workspace: Path
    state: TaskState = field(default_factory=TaskState)
    is_cancelled: bool = False
    portion: Portion | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    finished: dict[str, FinishedStep] = field(default_factory=dict)

    async def log(self, message: str, *, step_id: str | None = None, status: StepStatus | None = None) -> None:
        """Keep a line."""
        body = {"message": message, "stepId": step_id, "status": status}
        self.lines.append({"body": {key: value for key, value in body.items() if value is not None}})

    async def finish_step(self, step_id: str, finished: FinishedStep, message: str) -> None:
        """Keep it and its line."""
        self.finished[step_id] = finished
        await self.log(message, step_id=step_id, status=finished.status)

    async def save_checkpoint(self, step_id: str, key: str, value: Any) -> None:
        """A dry run is not resumed."""


class DryRun:
    """Runs templates dry."""

    def __init__(self, interpreter: Interpreter, access: Access, templates: Templates, working_directory: Path) -> None:
        self._interpreter = interpreter
        self._access = access
        self._templates = templates
        self._working_directory = working_directory

    async def run(self, request: DryRunRequest, credentials: Credentials) -> dict[str, Any]:
        """The answer `{log, directoryContents, output, steps}`. Raises what the failing step raised, as to its kind."""
        await self._access.require(credentials, SCAFFOLDER_TASK_CREATE, SCAFFOLDER_TEMPLATE_DRY_RUN)
        visible = await self._templates.cut_down(_read(request.template), credentials)
        check_values(request.values, visible.pages)
        check_secrets(request.secrets, visible.template.secrets_schema)
        user = await self._templates.get_user(credentials)
        run_id = str(uuid.uuid4())
        folder = self._working_directory / f"dry-run-{run_id}"
        content = self._working_directory / f"dry-run-content-{run_id}"
        try:
            await asyncio.to_thread(_write_files, content, request.files)
            await asyncio.to_thread(folder.mkdir, parents=True)
            spec = build_task_spec(
                visible.template,
                request.values,
                steps=visible.steps,
                user_ref=credentials.user_ref,
                user_entity=user,
                base_url=(content / "template.yaml").as_uri(),
            )
            spec["templateInfo"]["entityRef"] = TEMPLATE_REF
            check_step_ids(spec)
            secrets = complete_secrets(request.secrets, credentials, credentials.token)
            run = MemoryRun(f"dry-run-{run_id}", spec, secrets, folder)
            redactor = Redactor()
            outcome = await self._interpreter.run(run, is_dry_run=True, redactor=redactor)
            return {
                "log": run.lines,
                "directoryContents": await asyncio.to_thread(_read_files, folder, redactor),
                "output": output_of(outcome),
                "steps": spec["steps"],
            }
        finally:
            for made in (folder, content):
                await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)


def _read(entity: Any) -> Template:
    if not isinstance(entity, dict) or (entity.get("apiVersion"), entity.get("kind")) != (API_VERSION, "Template"):
        raise InputError("Input template is not a template")
    return read_template(entity)


def output_of(outcome: Outcome) -> dict[str, Any]:
    """The output. Raises what the run failed of."""
    if outcome.error is None:
        return dict(outcome.output or {})
    name, message = outcome.error["name"], outcome.error["message"]
    raise _BY_NAME.get(name, UnderstageError)(message)


def _write_files(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    folder.mkdir(parents=True)
    workspace = Workspace(folder)
    for path, encoded in files:
        target = workspace.resolve(path)
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise InputError(f"directoryContents: the content of {path} is not base64") from error
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _read_files(folder: Path, redactor: Redactor) -> list[dict[str, Any]]:
    """Names and contents, secrets masked: the answer ends in a browser."""
    found = []
    workspace = Workspace(folder)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if ".git" in relative.parts or not path.is_file():
            continue
        try:
            with workspace.open(relative) as file:
                shown = _redacted(file.read(), redactor)
                executable = bool(os.fstat(file.fileno()).st_mode & 0o111)
        except NotAllowedError:
            continue  # a link that leads out
        name = redactor.redact(relative.as_posix())
        found.append({"path": name, "executable": executable, "base64Content": base64.b64encode(shown).decode()})
    return found


def _redacted(content: bytes, redactor: Redactor) -> bytes:
    try:
        return redactor.redact(content.decode()).encode()
    except UnicodeError:
        # Latin-1 has a character for each byte: what is no text goes through unharmed.
        return redactor.redact(content.decode("latin-1")).encode("latin-1")
