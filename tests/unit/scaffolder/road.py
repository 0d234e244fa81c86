"""The interpreter half of the road for tests: a catalog of given templates, a few actions, runs in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from tests.store.scaffolder_bench import Permissions

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.errors import ConflictError
from understage.identity.credentials import Credentials
from understage.model.task import TaskSpec
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.assembly import Assembly, assemble
from understage.scaffolder.dry_run import MemoryRun
from understage.scaffolder.remote_actions import Remote
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.steps.run import Outcome, TaskState
from understage.sdk import ActionContext, ActionModel, action
from understage.sdk.testing import fake_ports

ANNA = Credentials.user("user:default/anna", token="anna-token-1234")


class SayInput(ActionModel):
    message: str = Field(description="What to say")
    times: int = 1
    loud: bool | None = None


class SayOutput(ActionModel):
    said: str


@action("test:say", description="Says something", supports_dry_run=True)
async def say(ctx: ActionContext, input: SayInput) -> SayOutput:
    ctx.log.info(input.message, times=input.times) if input.times > 1 else ctx.log.info(input.message)
    (ctx.workspace.path / "said.txt").write_text(input.message)
    return SayOutput(said=input.message.upper())


class NoInput(ActionModel):
    pass


class TokenOutput(ActionModel):
    token: str


@action("test:token", description="Is given a token by somebody else")
async def make_token(ctx: ActionContext, _input: NoInput) -> TokenOutput:
    token = ctx.hide("glpat-fresh-token")
    ctx.log.info(f"made {token}")
    return TokenOutput(token=token)


class CountOutput(ActionModel):
    count: int


calls: list[str] = []
"""What `test:effect` did, over all tasks; tests clear it."""


@action("test:effect", description="Has an effect that must not happen twice")
async def effect(ctx: ActionContext, input: SayInput) -> CountOutput:
    async def act() -> int:
        calls.append(input.message)
        return len(calls)

    count = await ctx.checkpoint("effect", act)
    (ctx.workspace.path / "half-done").touch()
    if input.times > 1 and ctx.secrets.get("password") != "the-right-one":
        raise ConflictError("the other side is not ready")
    return CountOutput(count=count)


@action("test:fail", description="Fails")
async def fail(ctx: ActionContext, input: SayInput) -> None:
    raise ConflictError(f"no luck with {input.message}")


@action("test:crash", description="Breaks in a way nobody foresaw")
async def crash(ctx: ActionContext, input: SayInput) -> None:
    raise ZeroDivisionError(f"divided {input.message}")


@action("test:hang", description="Waits for ever")
async def hang(ctx: ActionContext, input: NoInput) -> None:
    ctx.log.info("waiting")
    await asyncio.Event().wait()


@action("test:secret", description="Tells what it should not")
async def tell(ctx: ActionContext, input: NoInput) -> SayOutput:
    ctx.log.info(f"the password is {ctx.secrets['password']}")
    return SayOutput(said=ctx.secrets["password"])


@action("test:keep", description="Makes something once, by a checkpoint of each kind")
async def keep(ctx: ActionContext, input: SayInput) -> SayOutput:
    async def make() -> dict[str, str]:
        calls.append("made")
        return {"token": input.message}

    async def number() -> int:
        calls.append("numbered")
        return 7

    await ctx.checkpoint("number", number)
    made: dict[str, str] = await ctx.checkpoint("token", make)
    return SayOutput(said=made["token"])


ACTIONS = (say, make_token, effect, fail, crash, hang, tell, keep)


class TemplateCatalog:
    """Knows templates, and the user Anna."""

    def __init__(self, *templates: dict[str, Any]) -> None:
        self.entities = {f"template:default/{entity['metadata']['name']}": entity for entity in templates}
        self.entities["user:default/anna"] = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "User",
            "metadata": {"name": "anna", "namespace": "default"},
            "spec": {"profile": {"displayName": "Anna"}, "memberOf": []},
        }

    async def get_entities(self, refs: Sequence[str], credentials: Credentials) -> list[dict[str, Any] | None]:
        return [self.entities.get(ref) for ref in refs]


def template(*steps: Mapping[str, Any], name: str = "demo", **spec: Any) -> dict[str, Any]:
    """A Template entity."""
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": name, "namespace": "default", "title": "Demo", "description": "For tests"},
        "spec": {"type": "service", "steps": [dict(step) for step in steps], **spec},
    }


def build(
    folder: Path,
    *templates: dict[str, Any],
    permissions: Permissions | None = None,
    settings: Mapping[str, Any] | None = None,
    remote: Remote | None = None,
) -> Assembly:
    """The interpreter half over these templates."""

    async def catalog_token(_credentials: Credentials) -> str | None:
        return "catalog-token-1234"

    return assemble(
        ActionRegistry(ACTIONS),
        ScaffolderSettings.model_validate(settings or {}),
        catalog=TemplateCatalog(*templates),
        authorizer=permissions or Permissions(),
        ports=lambda _credentials: fake_ports(),
        host_type=lambda host: {"github.com": "github", "dev.azure.com": "azure"}.get(host),
        catalog_token=catalog_token,
        data_directory=folder,
        remote=remote,
    )


class Ran:
    """How an interpreted task went."""

    def __init__(self, run: MemoryRun, outcome: Outcome) -> None:
        self.run = run
        self.lines = [line["body"] for line in run.lines]
        self.messages = [line["message"] for line in self.lines]
        self.outcome = outcome

    @property
    def text(self) -> str:
        """Everything that was shown."""
        return "\n".join(self.messages) + str(self.outcome)


async def interpret(
    folder: Path,
    *steps: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    state: TaskState | None = None,
    permissions: Permissions | None = None,
    settings: Mapping[str, Any] | None = None,
    remote: Remote | None = None,
    **spec: Any,
) -> Ran:
    """Make a task of a template with these steps and run it."""
    assembly = build(folder, template(*steps, **spec), permissions=permissions, settings=settings, remote=remote)
    task = await assembly.factory.create("demo", values or {}, {}, ANNA)
    run = memory_run(folder, task.spec, secrets)
    run.state = state or TaskState()
    return Ran(run, await assembly.interpreter.run(run))


def memory_run(folder: Path, spec: TaskSpec, secrets: Mapping[str, str] | None = None) -> MemoryRun:
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    return MemoryRun("task-1", spec, complete_secrets(secrets or {}, ANNA, ANNA.token), workspace)
