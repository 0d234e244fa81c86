"""Copying folders that come from outside. Called by the fetch and publish actions.

Whatever the source holds, nothing is written through a link, outside of the destination, or into a `.git`.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from understage.sdk import InputError, NotAllowedError, Workspace


def walk(root: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Everything below `root` with its relative path, folders before what is in them, links not followed, sorted."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        here = Path(folder)
        for name in [*folders, *sorted(files)]:
            path = here / name
            yield PurePosixPath(path.relative_to(root).as_posix()), path


def refuse_links_outside(root: Path) -> None:
    """Raise NotAllowedError when a link below `root` leads out of it, directly or over other links."""
    real = root.resolve()
    for relative, path in walk(root):
        if path.is_symlink() and not _leads_inside(path, real):
            raise NotAllowedError(f"{relative} is a symbolic link that leads out of the folder")


def _leads_inside(link: Path, root: Path) -> bool:
    if link.readlink().is_absolute():
        return False
    try:
        inside = link.resolve().is_relative_to(root)
        link.stat()
    except FileNotFoundError:
        return inside
    except (OSError, RuntimeError):  # a loop of links: which error tells depends on the version of Python
        return False
    return inside


def destination_in(folder: Workspace, relative: str | PurePosixPath) -> Path:
    """Where to write `relative` in `folder`: its parent is there, and no link is in the way.

    Raises NotAllowedError for a path that leads out of the folder.
    """
    pure = PurePosixPath(str(relative))
    folder.resolve(str(pure))
    parent = folder.resolve(str(pure.parent))
    target = parent / pure.name
    if pure.name in ("", "..") or "\0" in pure.name or not target.is_relative_to(folder.path.resolve()):
        raise NotAllowedError("Relative path is not allowed to refer to a directory outside its parent")
    if any(part.is_symlink() for part in (parent, *parent.parents)):
        raise NotAllowedError(f"{relative} lies behind a symbolic link")
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{relative} cannot be written: a part of its path is a file") from None
    if target.is_symlink():
        target.unlink()
    return target


def copy_tree(source: Path, folder: Workspace, target: str = ".") -> list[str]:
    """Copy what is below `source` to `target` in `folder`, over what is there; returns the files' paths in `folder`.

    `.git` is left out. Raises InputError where a file would replace a folder, NotAllowedError for links that lead outside.
    """
    refuse_links_outside(source)
    folder.resolve(target).mkdir(parents=True, exist_ok=True)
    copied: list[str] = []
    for relative, path in walk(source):
        if ".git" in relative.parts:
            continue
        name = PurePosixPath(target) / relative
        destination = destination_in(folder, name)
        if path.is_dir() and not path.is_symlink():
            destination.mkdir(exist_ok=True)
            continue
        if destination.is_dir():
            raise InputError(f"{name} is a folder: a file of that name cannot be written")
        shutil.copy2(path, destination, follow_symlinks=False)
        copied.append(str(name))
    return copied
