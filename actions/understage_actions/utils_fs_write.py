"""`utils:fs:write` and `utils:fs:append`: text into a file of the workspace."""

import json

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._tree import open_new, write_file


class WriteInput(ActionModel):
    """What to write, where."""

    path: str = Field(description="Relative path of the file")
    content: str = Field(description="What is written to the file")
    preserve_formatting: bool = Field(
        default=False, description="Write JSON as it is given; by default it is indented by two blanks"
    )


class AppendInput(ActionModel):
    """What to append, where."""

    path: str = Field(description="Relative path of the file")
    content: str = Field(description="What is added at its end")


class PathOutput(ActionModel):
    """Where it was written."""

    path: str = Field(description="The file, relative to the workspace")


@action(
    "utils:fs:write",
    description="Writes a file of the workspace, over what is there. JSON is indented unless `preserveFormatting` is set.",
    examples=[
        Example("Write a file", {"path": "config/settings.txt", "content": "color = green\n"}),
        Example("Write JSON as it is", {"path": "a.json", "content": '{"a":1}', "preserveFormatting": True}),
    ],
    supports_dry_run=True,
)
async def write(ctx: ActionContext, input: WriteInput) -> PathOutput:
    """Write."""
    if ctx.workspace.resolve(input.path).is_dir():
        raise InputError(f"{input.path} is a folder")
    content = input.content if input.preserve_formatting else _formatted(input.content)
    write_file(ctx.workspace, input.path, content)
    ctx.log.info(f"Wrote {input.path}")
    return PathOutput(path=input.path)


@action(
    "utils:fs:append",
    description="Adds text at the end of a file of the workspace, which is made when it is not there.",
    examples=[Example("Ignore one more folder", {"path": ".gitignore", "content": "dist/\n"})],
    supports_dry_run=True,
)
async def append(ctx: ActionContext, input: AppendInput) -> PathOutput:
    """Append; a link is not followed out of the workspace."""
    if ctx.workspace.resolve(input.path).is_dir():
        raise InputError(f"{input.path} is a folder")
    with open_new(ctx.workspace, input.path, append=True) as file:
        file.write(input.content.encode("utf-8"))
    ctx.log.info(f"Appended to {input.path}")
    return PathOutput(path=input.path)


def _formatted(content: str) -> str:
    """JSON objects and arrays indented, anything else as it is."""
    if not content.lstrip().startswith(("{", "[")):
        return content
    try:
        return json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return content


WRITE = write.with_aliases("roadiehq:utils:fs:write")
APPEND = append.with_aliases("roadiehq:utils:fs:append")
