"""`utils:jsonata`, `utils:jsonata:json:transform` and `utils:jsonata:yaml:transform`: JSONata over values and files."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._jsonata import evaluate
from understage_actions._serialized import json_text, parse_all, parse_json, parse_text, read_existing, yaml_text


class JsonataInput(ActionModel):
    """What to look into, by which expression."""

    data: Any = Field(default=None, description="Any value")
    expression: str = Field(max_length=20_000, description="JSONata expression")


class JsonTransformInput(ActionModel):
    """Which JSON file, by which expression."""

    path: str = Field(description="Relative path of the JSON file")
    expression: str = Field(max_length=20_000, description="JSONata expression")
    replacer: list[str] | None = Field(default=None, description="Keys that are kept in the text")
    space: str | None = Field(default=None, description="Indentation of the text")
    as_: Literal["string", "object"] = Field(default="string", alias="as", description="Form of the result")


class YamlTransformInput(ActionModel):
    """Which YAML file, by which expression."""

    path: str = Field(description="Relative path of the YAML file")
    expression: str = Field(max_length=20_000, description="JSONata expression")
    options: dict[str, Any] | None = Field(
        default=None, description="Taken for the sake of other implementations; the form of the YAML does not change"
    )
    load_all: bool = Field(default=False, description="Look into the list of all documents")
    as_: Literal["string", "object"] = Field(default="string", alias="as", description="Form of the result")


class JsonataOutput(ActionModel):
    """What was found."""

    result: Any = Field(description="The result; null for nothing")


@action(
    "utils:jsonata",
    description="Evaluates a JSONata expression over a value, within limits of time and memory.",
    examples=[
        Example(
            "The sum of prices", {"data": {"items": [{"price": 3}, {"price": 4}]}, "expression": "$sum(items.price)"}
        )
    ],
    supports_dry_run=True,
)
async def jsonata(ctx: ActionContext, input: JsonataInput) -> JsonataOutput:
    """Evaluate. InputError for an expression that fails or needs too much."""
    return JsonataOutput(result=await evaluate(input.expression, input.data))


@action(
    "utils:jsonata:json:transform",
    description="Evaluates a JSONata expression over a JSON file of the workspace. The file stays as it is.",
    examples=[
        Example(
            "A package file with a dependency more",
            {
                "path": "package.json",
                "expression": '$ ~> |$|{"dependencies": $merge([dependencies, {"left-pad": "1.0.0"}])}|',
                "space": "  ",
            },
        )
    ],
    supports_dry_run=True,
)
async def transform_json(ctx: ActionContext, input: JsonTransformInput) -> JsonataOutput:
    """Evaluate; as text like JSON.stringify, or as a value."""
    found = await evaluate(input.expression, parse_json(read_existing(ctx, input.path), input.path))
    return JsonataOutput(result=found if input.as_ == "object" else json_text(found, input.replacer, input.space))


@action(
    "utils:jsonata:yaml:transform",
    description="Evaluates a JSONata expression over a YAML file of the workspace. The file stays as it is.",
    examples=[
        Example("The owner of a component", {"path": "settings.yaml", "expression": "image.tag", "as": "object"})
    ],
    supports_dry_run=True,
)
async def transform_yaml(ctx: ActionContext, input: YamlTransformInput) -> JsonataOutput:
    """Evaluate; as YAML, or as a value."""
    text = read_existing(ctx, input.path)
    data = parse_all(text, input.path) if input.load_all else parse_text(text, input.path, "yaml")
    found = await evaluate(input.expression, data)
    return JsonataOutput(result=found if input.as_ == "object" else yaml_text(found))


JSONATA = jsonata.with_aliases("roadiehq:utils:jsonata")
TRANSFORM_JSON = transform_json.with_aliases("roadiehq:utils:jsonata:json:transform")
TRANSFORM_YAML = transform_yaml.with_aliases("roadiehq:utils:jsonata:yaml:transform")
