"""`fs:readdir`: what is in folders of the workspace."""

import asyncio
from pathlib import Path
from typing import Annotated

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, NotFoundError, action
from understage_actions._tree import walk


class ReadDirInput(ActionModel):
    """Which folders to read."""

    paths: list[Annotated[str, Field(min_length=1)]] = Field(description="The paths to the directories to read")
    recursive: bool = Field(default=False, description="Whether to read the directories below too")


class DirEntry(ActionModel):
    """A file or folder."""

    name: str
    path: str = Field(description="Path relative to the workspace")
    full_path: str


class ReadDirOutput(ActionModel):
    """What was found, in the order of the paths, sorted within each."""

    files: list[DirEntry]
    folders: list[DirEntry]


@action(
    "fs:readdir",
    description="Reads files and directories from the workspace",
    examples=[
        Example("List the workspace", {"paths": ["."]}),
        Example("List all files below a folder", {"paths": ["docs"], "recursive": True}),
    ],
    supports_dry_run=True,
)
async def readdir(ctx: ActionContext, input: ReadDirInput) -> ReadDirOutput:
    """List each folder; links are files."""
    output = ReadDirOutput(files=[], folders=[])
    for path in input.paths:
        folder = ctx.workspace.resolve(path)
        if not folder.is_dir():
            raise NotFoundError(f"{path} is no directory of the workspace")
        await asyncio.to_thread(_read, ctx.workspace.path.resolve(), folder, input.recursive, output)
    return output


def _read(root: Path, folder: Path, recursive: bool, output: ReadDirOutput) -> None:
    for relative, path in walk(folder):
        if not recursive and len(relative.parts) > 1:
            continue
        entry = DirEntry(name=path.name, path=path.relative_to(root).as_posix(), full_path=str(path))
        is_folder = path.is_dir() and not path.is_symlink()
        (output.folders if is_folder else output.files).append(entry)
