"""`utils:serialize:json` and `utils:serialize:yaml`: a value as text."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._serialized import json_text, yaml_text


class SerializeJsonInput(ActionModel):
    """What to write as JSON."""

    data: Any = Field(description="Any value")
    replacer: list[str] | None = Field(default=None, description="Keys that are kept")
    space: str | None = Field(default=None, description="Indentation")


class SerializeYamlInput(ActionModel):
    """What to write as YAML."""

    data: Any = Field(description="Any value")
    replacer: list[str] | None = Field(default=None, description="Keys that are kept")
    options: dict[str, Any] | None = Field(
        default=None, description="Taken for the sake of other implementations; the form of the YAML does not change"
    )


class SerializeOutput(ActionModel):
    """The text."""

    serialized: str = Field(description="The text")


@action(
    "utils:serialize:json",
    description="Writes a value as JSON text, as JSON.stringify does.",
    examples=[Example("Indented JSON", {"data": {"a": [1, 2]}, "space": "  "})],
    supports_dry_run=True,
)
async def serialize_json(ctx: ActionContext, input: SerializeJsonInput) -> SerializeOutput:
    """Serialize."""
    return SerializeOutput(serialized=json_text(input.data, input.replacer, input.space))


@action(
    "utils:serialize:yaml",
    description="Writes a value as YAML text, which YAML 1.1 and 1.2 read alike.",
    examples=[Example("Some of the keys", {"data": {"a": "on", "b": 1}, "replacer": ["a"]})],
    supports_dry_run=True,
)
async def serialize_yaml(ctx: ActionContext, input: SerializeYamlInput) -> SerializeOutput:
    """Serialize."""
    return SerializeOutput(serialized=yaml_text(input.data, input.replacer))


SERIALIZE_JSON = serialize_json.with_aliases("roadiehq:utils:serialize:json")
SERIALIZE_YAML = serialize_yaml.with_aliases("roadiehq:utils:serialize:yaml")
