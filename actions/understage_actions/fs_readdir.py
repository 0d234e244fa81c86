"""`fs:readdir`: what is in folders of the workspace."""

import asyncio
from pathlib import Path
from typing import Annotated

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, NotFoundError, Workspace, action


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
        await asyncio.to_thread(_read, ctx.workspace, folder, input.recursive, output)
    return output


def _read(workspace: Workspace, folder: Path, recursive: bool, output: ReadDirOutput) -> None:
    root = workspace.path.resolve()
    for here, _, folders, others in workspace.folders(folder):
        for names, found in ((folders, output.folders), (others, output.files)):
            for name in names:
                path = (here / name).as_posix()
                found.append(DirEntry(name=name, path=path, full_path=str(root / path)))
        if not recursive:
            break
