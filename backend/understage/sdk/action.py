"""An action: one typed async function, its input and output models, and examples.

    class GreetInput(ActionModel):
        name: str = Field(description="Whom to greet")

    class GreetOutput(ActionModel):
        greeting: str

    @action("acme:greet", description="Greets somebody", examples=[Example("Greet Ada", {"name": "Ada"})])
    async def greet(ctx: ActionContext, input: GreetInput) -> GreetOutput:
        ctx.log.info(f"Greeting {input.name}")
        return GreetOutput(greeting=f"Hello {input.name}")

The decorated name is an `Action`; the entry point group `understage.actions` names it. Its JSON schemas, its page under
`/create/actions` and its reference page all come from this one definition.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from understage.errors import InputError
from understage.sdk.context import ActionContext
from understage.sdk.schema import inline_definitions

DRAFT_07 = "http://json-schema.org/draft-07/schema#"


class ActionModel(BaseModel):
    """Base of action inputs and outputs: snake_case in Python, camelCase in templates, unknown keys refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", arbitrary_types_allowed=False
    )


@dataclass(frozen=True)
class Example:
    """One example of an action's input, shown under `/create/actions` and run by the action's tests.

    `input` is the step's input as written in a template, camelCase keys.
    """

    description: str
    input: dict[str, Any]
    notes: str | None = None


InputT = TypeVar("InputT", bound=BaseModel)
OutputT = TypeVar("OutputT", bound=BaseModel)
Handler = Callable[[ActionContext, InputT], Awaitable[OutputT | None]]


@dataclass(frozen=True)
class Action(Generic[InputT, OutputT]):
    """A registered action. Call it directly in tests: `await greet(ctx, GreetInput(name="Ada"))`."""

    id: str
    description: str
    handler: Handler[InputT, OutputT]
    input_model: type[InputT]
    output_model: type[OutputT] | None
    examples: Sequence[Example] = field(default_factory=tuple)
    supports_dry_run: bool = False

    async def __call__(self, ctx: ActionContext, input: InputT) -> OutputT | None:
        """Run the action on an already validated input."""
        return await self.handler(ctx, input)

    def with_aliases(self, *ids: str) -> "list[Action[Any, Any]]":
        """This action, and the same under other ids: what an entry point may name in place of one action.

        For templates that know the action by the id of another implementation.
        """
        aliases = [replace(self, id=id, description=f"Another id of `{self.id}`. {self.description}") for id in ids]
        return [self, *aliases]

    def parse_input(self, raw: Mapping[str, Any]) -> InputT:
        """The step's rendered `input` (camelCase keys) as the input model.

        Raises InputError `Invalid input passed to action <id>, <path>: <problem>; …` with every problem, and no value.
        """
        try:
            return self.input_model.model_validate(dict(raw))
        except ValidationError as error:
            problems = [f"{_path(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False)]
        # Outside of the except block: pydantic's error carries the values, secrets among them.
        raise InputError(f"Invalid input passed to action {self.id}, {'; '.join(problems)}")

    def dump_output(self, output: OutputT | None) -> dict[str, Any]:
        """`steps.<id>.output` of a result: JSON-ready, camelCase keys; a member that was never set and is None is left out."""
        if output is None:
            return {}
        dumped = output.model_dump(mode="json", by_alias=True)
        unset = {
            field.serialization_alias or name
            for name, field in type(output).model_fields.items()
            if name not in output.model_fields_set
        }
        return {key: value for key, value in dumped.items() if value is not None or key not in unset}

    def input_schema(self) -> dict[str, Any]:
        """JSON Schema (draft-07, definitions inlined) of the step's `input`."""
        return _schema(self.input_model, "validation")

    def output_schema(self) -> dict[str, Any] | None:
        """JSON Schema of `steps.<id>.output`; None when the action has no output."""
        return None if self.output_model is None else _schema(self.output_model, "serialization")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "input"


def action(
    id: str, *, description: str, examples: Sequence[Example] = (), supports_dry_run: bool = False
) -> Callable[[Handler[InputT, OutputT]], Action[InputT, OutputT]]:
    """Make an `Action` of an async function `(ctx: ActionContext, input: Model) -> Model | None`.

    The models are read from the annotations. `supports_dry_run` promises that the function, when `ctx.is_dry_run`, touches
    nothing but the workspace and reads only.
    Raises TypeError for a function that is not async or not annotated.
    """

    def decorate(handler: Handler[InputT, OutputT]) -> Action[InputT, OutputT]:
        if not inspect.iscoroutinefunction(handler):
            raise TypeError(f"action {id}: the handler must be an async function")
        hints = get_type_hints(handler)
        output_hint = hints.pop("return", type(None))
        return Action(
            id=id,
            description=inspect.cleandoc(description),
            handler=handler,
            input_model=_input_model(id, hints),
            output_model=_output_model(id, output_hint),
            examples=tuple(examples),
            supports_dry_run=supports_dry_run,
        )

    return decorate


def _input_model(id: str, hints: dict[str, Any]) -> Any:
    models = [hint for name, hint in hints.items() if name != "ctx"]
    if len(models) == 1 and isinstance(models[0], type) and issubclass(models[0], BaseModel):
        return models[0]
    raise TypeError(f"action {id}: annotate the handler as (ctx: ActionContext, input: YourModel) -> YourOutput")


def _output_model(id: str, hint: Any) -> Any:
    candidates = [arg for arg in getattr(hint, "__args__", (hint,)) if arg is not type(None)]
    if not candidates:
        return None
    if len(candidates) == 1 and isinstance(candidates[0], type) and issubclass(candidates[0], BaseModel):
        return candidates[0]
    raise TypeError(f"action {id}: the handler must return one pydantic model, or None")


def _schema(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    return {"$schema": DRAFT_07, **inline_definitions(model.model_json_schema(by_alias=True, mode=mode))}
