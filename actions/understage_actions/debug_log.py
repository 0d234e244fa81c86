"""`debug:log`: a message, and what is in the workspace, into the task's log."""

import asyncio
import json
import os
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, Workspace, action
from understage_actions._rendering import as_text
from understage_actions._tree import walk

_FILE_LIMIT = 64 * 1024
_LIST_LIMIT = 1024 * 1024


class DebugLogInput(ActionModel):
    """What to log."""

    message: str | None = Field(default=None, description="Message to output")
    list_workspace: bool | Literal["with-filenames", "with-contents"] = Field(
        default=False, description="List all files in the workspace (names, or names and contents)"
    )


@action(
    "debug:log",
    description="Writes a message into the log and/or lists all files in the workspace.",
    examples=[
        Example("Write a debug message", {"message": "Hello Backstage!"}),
        Example("List the workspace", {"listWorkspace": True}),
        Example("List the workspace with the files' contents", {"listWorkspace": "with-contents"}),
    ],
    supports_dry_run=True,
)
async def debug_log(ctx: ActionContext, input: DebugLogInput) -> None:
    """Log the input, the message and the workspace."""
    ctx.log.info(json.dumps(input.model_dump(by_alias=True, exclude_unset=True), indent=2, ensure_ascii=False))
    if input.message:
        ctx.log.info(input.message)
    if input.list_workspace:
        with_contents = input.list_workspace == "with-contents"
        ctx.log.info(await asyncio.to_thread(_list, ctx.workspace, with_contents))


def _list(workspace: Workspace, with_contents: bool) -> str:
    lines: list[str] = []
    size = 0
    for relative, path in sorted(walk(workspace.path.resolve())):
        if path.is_dir() and not path.is_symlink():
            continue
        # Links are named, never followed: what they point to is not of the workspace.
        line = f"  - {relative}"
        if path.is_symlink():
            line += f" -> {_target(workspace, relative)}"
        elif with_contents:
            line = f" - {relative}:\n\n  {_content(workspace, relative)}"
        size += len(line)
        if size > _LIST_LIMIT:
            lines.append("  … (more than 1 MiB, the rest is left out)")
            break
        lines.append(line)
    return "Workspace:\n" + "\n".join(lines)


def _target(workspace: Workspace, relative: PurePosixPath) -> str:
    with workspace.parent(relative, follow=False) as (folder, name):
        try:
            return os.readlink(name, dir_fd=folder)
        except OSError:  # none any more
            return "?"


def _content(workspace: Workspace, relative: PurePosixPath) -> str:
    with workspace.open(relative) as file:
        head = file.read(_FILE_LIMIT + 1)
        size = os.fstat(file.fileno()).st_size
    text = as_text(head[:_FILE_LIMIT])
    if text is None:
        return f"({size} bytes, binary)"
    return text if len(head) <= _FILE_LIMIT else f"{text}… ({size} bytes)"
