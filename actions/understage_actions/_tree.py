"""Writing into the workspace, and copying folders that come from outside. Called by the fetch, publish and file actions.

Whatever the source holds, nothing is written through a link, outside of the destination, or into a `.git`; `Workspace.parent`
sees to it that nobody puts a link into the way meanwhile.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from understage.sdk import ActionContext, InputError, NotAllowedError, NotFoundError, Workspace
from understage.sdk.links import leads_inside
from understage.sdk.workspace import is_link, refusal


def walk(root: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Everything below `root` with its relative path, folders before what is in them, links not followed, sorted."""
    for here, _, folders, others in Workspace(root).folders():
        for name in (*folders, *others):
            yield here / name, root / here / name


def refuse_links_outside(root: Path) -> None:
    """Raise NotAllowedError when a link below `root` leads out of it, directly or over other links."""
    real = root.resolve()
    for relative, path in walk(root):
        if path.is_symlink() and (path.readlink().is_absolute() or not leads_inside(path, real)):
            raise NotAllowedError(f"{relative} is a symbolic link that leads out of the folder")


async def frozen(ctx: ActionContext, relative: str, *, links: bool = True) -> Path:
    """A file or folder of the workspace for programs that want a path: a copy, in which no name changes till the step ends.

    Raises NotFoundError, and NotAllowedError for what leads out of the workspace.
    """
    return await asyncio.to_thread(ctx.workspace.freeze, relative, ctx.temporary_directory(), links=links)


@contextmanager
def open_new(folder: Workspace, relative: str | PurePosixPath, *, append: bool = False) -> Iterator[BinaryIO]:
    """`relative` in `folder`, open for writing, its folders made; a link of that name is replaced.

    It is empty, or, with `append`, at its end; then a link of that name leads to the file, as for reading. Raises
    NotAllowedError for a path that leads out of the folder.
    """
    folder.resolve(relative)
    with folder.parent(relative, make=True, follow=append) as (parent, name):
        if not append and is_link(parent, name):
            os.unlink(name, dir_fd=parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
        try:
            descriptor = os.open(name, flags, 0o666, dir_fd=parent)
        except OSError as error:
            raise refusal(error, parent, name, relative) from error
        with os.fdopen(descriptor, "ab" if append else "wb") as file:
            yield file


def write_file(
    folder: Workspace, relative: str | PurePosixPath, content: str | bytes, *, mode: int | None = None
) -> None:
    """Write a file, text as UTF-8 with its line ends as they are. Raises as `open_new`."""
    with open_new(folder, relative) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        if mode is not None:
            os.fchmod(file.fileno(), mode)


def copy_file(path: Path, folder: Workspace, relative: str | PurePosixPath) -> None:
    """Copy a file with its mode and times, or a link as it is, to `relative` in `folder`. Raises as `open_new`."""
    if path.is_symlink():
        folder.resolve(relative)
        with folder.parent(relative, make=True, follow=False) as (parent, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            os.symlink(path.readlink(), name, dir_fd=parent)
        return
    with path.open("rb") as source, open_new(folder, relative) as file:
        shutil.copyfileobj(source, file)
        file.flush()
        state = os.fstat(source.fileno())
        os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
        os.utime(file.fileno(), ns=(state.st_atime_ns, state.st_mtime_ns))


def make_folder(folder: Workspace, relative: str | PurePosixPath) -> None:
    """Make a folder, and those above it. Raises as `open_new`."""
    folder.resolve(relative)
    with folder.parent(PurePosixPath(relative) / "_", make=True, follow=False):
        pass


def remove_file(folder: Workspace, relative: str | PurePosixPath) -> bool:
    """Remove a file or a link, which is not followed; False when it is gone. Raises as `open_new`."""
    try:
        with folder.parent(relative, follow=False) as (parent, name):
            os.unlink(name, dir_fd=parent)
    except (FileNotFoundError, NotFoundError):
        return False
    return True


def remove_tree(folder: Workspace, relative: str | PurePosixPath) -> None:
    """Remove a file, or a folder with all that is in it; links are removed, not followed. Raises as `open_new`."""
    with folder.parent(relative, follow=False) as (parent, name):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)


def copy_tree(source: Path, folder: Workspace, target: str = ".") -> list[str]:
    """Copy what is below `source` to `target` in `folder`, over what is there; returns the files' paths in `folder`.

    `.git` is left out. Raises InputError where a file would replace a folder, NotAllowedError for links that lead outside.
    """
    refuse_links_outside(source)
    make_folder(folder, target)
    copied: list[str] = []
    for relative, path in walk(source):
        if ".git" in relative.parts:
            continue
        name = PurePosixPath(target) / relative
        if path.is_dir() and not path.is_symlink():
            make_folder(folder, name)
            continue
        if (folder.path / name).is_dir():
            raise InputError(f"{name} is a folder: a file of that name cannot be written")
        copy_file(path, folder, name)
        copied.append(str(name))
    return copied
