"""Notes of what a step made, for its undo. Called by the actions that make it, before they do."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from understage.sdk import ActionContext

Key = tuple[str, str, str, str | None]


async def note_object(ctx: ActionContext, cluster: str, key: Key) -> None:
    """Note an object that the cluster does not have yet."""
    api_version, kind, name, namespace = key
    what = {"cluster": cluster, "apiVersion": api_version, "kind": kind, "name": name, "namespace": namespace}
    await ctx.undo_by(f"object.{cluster}.{api_version}.{kind}.{namespace}.{name}", "undo:object", what)


def read_texts(directory: Path, files: Iterable[str]) -> dict[str, str | None]:
    """The texts of these files; None for one that is not there."""
    return {file: path.read_text("utf-8") if (path := directory / file).is_file() else None for file in files}


def changes_of(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """What a commit changes: whether the file was there, and the digest of the text after.

    Not the text before, which may hold a secret of its repository: notes can be read. The repository has it in its history.
    """
    return [
        {"path": file, "existed": before[file] is not None, "written": digest(text or "")}
        for file, text in after.items()
        if text != before[file]
    ]


def digest(text: str) -> str:
    """By which a file is known again."""
    return hashlib.sha256(text.encode()).hexdigest()
