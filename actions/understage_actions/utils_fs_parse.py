"""`utils:fs:parse`: what is in a file of the workspace."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._serialized import parse_all, parse_json, parse_text, read_existing


class ParseInput(ActionModel):
    """Which file, in which format."""

    path: str = Field(description="Relative path of the file")
    parser: Literal["yaml", "json", "multiyaml"] | None = Field(
        default=None, description="How it is read; by default as text"
    )


class ParseOutput(ActionModel):
    """What is in it."""

    content: Any = Field(default=None, description="The text, or the value; for multiyaml a list of values")


@action(
    "utils:fs:parse",
    description="Reads a file of the workspace as text, JSON or YAML, so that later steps can use what is in it.",
    examples=[
        Example("The text of a file", {"path": "file1.txt"}),
        Example("A value of a YAML file", {"path": "settings.yaml", "parser": "yaml"}),
    ],
    supports_dry_run=True,
)
async def parse(ctx: ActionContext, input: ParseInput) -> ParseOutput:
    """Read. InputError with file and line for what cannot be read."""
    text = read_existing(ctx, input.path)
    if input.parser is None:
        return ParseOutput(content=text.decode("utf-8", "replace"))
    if input.parser == "multiyaml":
        return ParseOutput(content=parse_all(text, input.path))
    return ParseOutput(
        content=parse_json(text, input.path) if input.parser == "json" else parse_text(text, input.path, "yaml")
    )


PARSE = parse.with_aliases("roadiehq:utils:fs:parse")
