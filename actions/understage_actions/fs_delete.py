"""`fs:delete`: files out of the workspace."""

import asyncio
import re
from pathlib import PurePosixPath

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action, compile_glob
from understage_actions._tree import remove_file, walk


class DeleteInput(ActionModel):
    """What to delete."""

    files: list[str] = Field(description="A list of files and directories that will be deleted; globs are allowed")


@action(
    "fs:delete",
    description="Deletes files and directories from the workspace. Folders stay, empty; nothing to delete is no error.",
    examples=[
        Example("Delete one file and a folder's files", {"files": ["file1.txt", "drafts"]}),
        Example("Delete all files with the extension .bak", {"files": ["**/*.bak"]}),
    ],
    supports_dry_run=True,
)
async def delete(ctx: ActionContext, input: DeleteInput) -> None:
    """Delete what each pattern matches."""
    for pattern in input.files:
        # A pattern that climbs is refused as a path.
        ctx.workspace.resolve(pattern)
        for deleted in await asyncio.to_thread(_delete_matching, ctx, pattern):
            ctx.log.info(f"File {deleted} deleted successfully")


def _delete_matching(ctx: ActionContext, pattern: str) -> list[str]:
    wanted = compile_glob(pattern)
    root = ctx.workspace.path.resolve()
    deleted: list[str] = []
    for relative, path in walk(root):
        is_folder = path.is_dir() and not path.is_symlink()
        matches = wanted.fullmatch(str(relative)) or _below(wanted, relative)
        if not is_folder and matches and remove_file(ctx.workspace, relative):
            deleted.append(str(path))
    return deleted


def _below(wanted: re.Pattern[str], relative: PurePosixPath) -> bool:
    """Whether a folder above the file matches: a folder's name stands for all that is in it."""
    return any(wanted.fullmatch(str(parent)) for parent in relative.parents if parent.name)
