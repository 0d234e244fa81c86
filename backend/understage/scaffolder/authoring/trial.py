"""One run of a template from a file, in a world of memory, by the interpreter of the service.

Called by `suite` and the commands.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.errors import InputError, NotFoundError, UnderstageError
from understage.identity.credentials import Credentials
from understage.identity.permissions import Decision, Permission, Query
from understage.model.task import TaskSpec, build_task_spec
from understage.model.template import Template, read_template
from understage.scaffolder.access import Access
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.authoring.effects import Effect
from understage.scaffolder.authoring.world import Surroundings, World
from understage.scaffolder.dry_run import MemoryRun
from understage.scaffolder.parameters import check_secrets, check_values
from understage.scaffolder.remote_actions import Actions
from understage.scaffolder.steps.interpreter import Interpreter, StepSettings, complete_secrets
from understage.scaffolder.steps.output import conditional_items
from understage.scaffolder.steps.redaction import Redactor
from understage.scaffolder.steps.rendering import Renderer, TemplateExtensions
from understage.sdk.yaml import parse_document

USER = "user:default/author"
Follow = Callable[[Mapping[str, Any]], None]
"""Is told of each line of the log, `{message, stepId?, status?}`, when it comes."""


@dataclass(frozen=True)
class TrialSettings:
    """What the configuration of a service would say.

    `roots` are folders that templates may fetch from as a whole. `policy:check` asks the first `policies/rules.yaml` in them.
    """

    roots: Sequence[Path] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rules(self) -> Path | None:
        """The platform's rules, where a root has them."""
        return next((file for root in self.roots if (file := root / "policies" / "rules.yaml").is_file()), None)


@dataclass(frozen=True)
class Trial:
    """What a run left: lines of the log, files of the workspace by path, the output or the error, the plan."""

    spec: TaskSpec
    lines: Sequence[Mapping[str, Any]]
    files: Mapping[str, bytes]
    output: Mapping[str, Any] | None
    error: Mapping[str, str] | None
    plan: Sequence[Effect]
    shown_items: Mapping[str, bool] = field(default_factory=dict)
    """By the place of its `if`, whether an item of the output was shown."""

    @property
    def log(self) -> str:
        """All lines."""
        return "\n".join(line["message"] for line in self.lines)

    @property
    def status(self) -> str:
        """`completed`, `failed`, or `refused` when the form's values were not taken."""
        if self.error is None:
            return "completed"
        return "failed" if self.lines else "refused"

    @property
    def step_statuses(self) -> dict[str, str]:
        """The last status of each step, by id."""
        return {line["stepId"]: line["status"] for line in self.lines if "status" in line}


class EverythingAllowed:
    """The authorizer of an author's machine."""

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        """ALLOW, each time."""
        return ["ALLOW" for _ in queries]

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        """Yes."""
        return True

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        """Pass."""


def load_template(file: Path) -> Template:
    """The template in a file. Raises NotFoundError, SourceError, InputError."""
    if not file.is_file():
        raise NotFoundError(f"There is no template at {file}")
    entity = parse_document(file.read_bytes(), str(file)).value
    try:
        return read_template(entity)
    except UnderstageError as error:
        raise InputError(f"{file}: {error.message}") from error


def with_defaults(template: Template, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the defaults of the form, which the page fills in."""
    found: dict[str, Any] = {}
    for page in template.pages:
        for name, member in (page.get("properties") or {}).items():
            if isinstance(member, dict) and "default" in member:
                found[name] = member["default"]
    return {**found, **values}


async def run_trial(
    file: Path,
    values: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    surroundings: Surroundings | None = None,
    settings: TrialSettings | None = None,
    registry: ActionRegistry | None = None,
    is_dry_run: bool = False,
    follow: Follow | None = None,
) -> Trial:
    """Run the template. What is wrong with the values, or goes wrong in a step, is the trial's `error`.

    Raises NotFoundError or InputError when the file holds no template.
    """
    template = load_template(file)
    settings = settings or TrialSettings()
    world = World(surroundings or Surroundings(), settings.rules)
    complete = with_defaults(template, values)
    spec = build_task_spec(template, complete, user_ref=USER, base_url=(Path.cwd() / file).as_uri())
    try:
        check_values(complete, template.pages)
        check_secrets(secrets or {}, template.secrets_schema)
    except UnderstageError as error:
        return Trial(spec, (), {}, None, {"name": error.name, "message": error.message}, ())
    folder = Path(tempfile.mkdtemp(prefix="understage-trial-"))
    try:
        workspace = folder / "workspace"
        workspace.mkdir()
        run = FollowedRun("trial", spec, complete_secrets(secrets or {}, Credentials.user(USER), None), workspace)
        run.follow = follow
        redactor = Redactor()
        interpreter = _interpreter(world, registry or ActionRegistry.from_entry_points(), settings)
        outcome = await interpreter.run(run, is_dry_run=is_dry_run, redactor=redactor)
        return Trial(
            spec,
            [line["body"] for line in run.lines],
            await asyncio.to_thread(read_files, workspace),
            outcome.output,
            outcome.error,
            [Effect(redactor.redact(effect.summary), redactor.redact(effect.detail)) for effect in world.effects()],
            _shown_items(spec, run, world) if outcome.error is None else {},
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _shown_items(spec: TaskSpec, run: MemoryRun, world: World) -> dict[str, bool]:
    steps = {step_id: {"output": finished.output} for step_id, finished in run.finished.items()}
    context = {"parameters": spec["parameters"], "steps": steps, "user": spec.get("user") or {}}
    renderer = Renderer(TemplateExtensions(filters=world.filters))
    return {
        place: renderer.is_true(renderer.render(item["if"], context, place))
        for place, item in conditional_items(spec.get("output"))
    }


class FollowedRun(MemoryRun):
    """Tells of its lines as they come."""

    follow: Follow | None = None

    async def log(self, message: str, *, step_id: str | None = None, status: Any = None) -> None:
        """Keep a line and tell of it."""
        await super().log(message, step_id=step_id, status=status)
        if self.follow is not None:
            self.follow(self.lines[-1]["body"])


def read_files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by path, git's own and what links point to left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(folder).parts
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their paths below a folder; the inverse of `read_files`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _interpreter(world: World, registry: ActionRegistry, settings: TrialSettings) -> Interpreter:
    roots = {"templateRoots": [str(root) for root in settings.roots]}
    defaults = {
        "defaultAuthor": {"name": "Author", "email": "author@example.com"},
        "gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"},
        **settings.defaults,
        **roots,
    }
    return Interpreter(
        Actions(registry),
        TemplateExtensions(filters=world.filters),
        ports=lambda credentials: world.ports,
        access=Access(EverythingAllowed()),
        settings=StepSettings(defaults=defaults),
    )
