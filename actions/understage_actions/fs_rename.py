"""`fs:rename`: files and folders of the workspace get another name."""

import asyncio
import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    ConflictError,
    Example,
    InputError,
    NotFoundError,
    Workspace,
    action,
)


class Rename(ActionModel):
    """One file or folder."""

    from_: str = Field(alias="from", description="The source location of the file to be renamed")
    to: str = Field(description="The destination of the new file")
    overwrite: bool = Field(default=False, description="Overwrite existing file or directory, default is false")


class RenameInput(ActionModel):
    """What to rename."""

    files: list[Rename] = Field(description="A list of file and directory names that will be renamed")


@action(
    "fs:rename",
    description="Renames files and directories within the workspace",
    examples=[
        Example(
            "Rename files, one over another",
            {
                "files": [
                    {"from": "file1.txt", "to": "docs/renamed.txt"},
                    {"from": "file2.txt", "to": "file3.txt", "overwrite": True},
                ]
            },
        )
    ],
    supports_dry_run=True,
)
async def rename(ctx: ActionContext, input: RenameInput) -> None:
    """Rename in the order given."""
    for file in input.files:
        source, destination = await asyncio.to_thread(_rename, ctx.workspace, file)
        ctx.log.info(f"File {source} renamed to {destination} successfully")


def _rename(workspace: Workspace, file: Rename) -> tuple[Path, Path]:
    root = workspace.path.resolve()
    source = workspace.resolve(file.from_)
    workspace.resolve(file.to)
    if source == root:
        raise InputError("the workspace itself cannot be renamed")
    if not source.exists():
        raise NotFoundError(f"{file.from_} does not exist in the workspace")
    destination = workspace.resolve(PurePosixPath(file.to).parent) / PurePosixPath(file.to).name
    if destination == root or destination.is_relative_to(source) or source.is_relative_to(destination):
        raise InputError(f"{file.from_} cannot be renamed to {file.to}: one lies in the other")
    with (
        workspace.parent(file.to, make=True, follow=False) as (to, new),
        workspace.parent(file.from_) as (folder, old),
    ):
        _make_room(to, new, file)
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=to)
    return source, destination


def _make_room(folder: int, name: str, file: Rename) -> None:
    """Nothing may be called so; a link may, whose target stays."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISLNK(mode) and not file.overwrite:
        raise ConflictError(f"{file.to}: dest already exists. Set overwrite to replace it")
    if stat.S_ISDIR(mode):
        shutil.rmtree(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)
