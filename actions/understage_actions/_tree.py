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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from understage.sdk import ActionContext, NotAllowedError, NotFoundError, Workspace
from understage.sdk.links import leads_inside
from understage.sdk.workspace import is_link, open_file, refusal

HERE = PurePosixPath()


def walk(root: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Everything below `root` with its relative path, folders before what is in them, links not followed, sorted."""
    for here, _, folders, others in Workspace(root).folders():
        for name in (*folders, *others):
            yield here / name, root / here / name


async def frozen(ctx: ActionContext, relative: str, *, links: bool = True) -> Path:
    """A file or folder of the workspace for programs that want a path: a copy, in which no name changes till the step ends.

    Raises NotFoundError, and NotAllowedError for what leads out of the workspace.
    """
    return await asyncio.to_thread(ctx.workspace.freeze, relative, ctx.temporary_directory(), links=links)


@dataclass(frozen=True)
class Tree:
    """A folder that comes from outside: `below` in `root`, which nothing that is read leads out of, whatever becomes a link."""

    root: Workspace
    below: PurePosixPath = HERE

    @property
    def path(self) -> Path:
        """Where it is at this moment."""
        return self.root.root / self.below

    def folders(self) -> Iterator[tuple[PurePosixPath, int, list[str], list[str]]]:
        """As `Workspace.folders`, relative to the tree."""
        start: PurePosixPath | None = None
        for here, folder, folders, others in self.root.folders(self.below):
            start = start or here
            yield here.relative_to(start), folder, folders, others

    def entries(self) -> list[tuple[PurePosixPath, bool]]:
        """All that is in it and whether it is a folder, folders before what is in them; without `.git`."""
        return [
            (here / name, is_folder)
            for here, _, folders, others in self.folders()
            for is_folder, names in ((True, folders), (False, others))
            for name in names
            if ".git" not in (*here.parts, name)
        ]

    @contextmanager
    def parent(self, relative: PurePosixPath) -> Iterator[tuple[int, str]]:
        """The folder of an entry, as a descriptor, and its name in it. Raises as `Workspace.parent`."""
        with self.root.parent(self.below / relative, follow=False) as place:
            yield place


def refuse_links_outside(tree: Tree) -> None:
    """Raise NotAllowedError when a link leads out of the tree, directly or over other links."""
    place = tree.path
    for here, folder, _, others in tree.folders():
        for name in others:
            if not is_link(folder, name):
                continue
            with suppress(OSError):  # none any more
                is_absolute = os.readlink(name, dir_fd=folder).startswith("/")
                if is_absolute or not leads_inside(place / here / name, place):
                    raise NotAllowedError(f"{here / name} is a symbolic link that leads out of the folder")


@contextmanager
def open_new(folder: Workspace, relative: str | PurePosixPath, *, append: bool = False) -> Iterator[BinaryIO]:
    """`relative` in `folder`, open for writing, its folders made; a link of that name is replaced.

    It is empty, or, with `append`, at its end; then a link of that name leads to the file, as for reading. Raises
    NotAllowedError for a path that leads out of the folder.
    """
    with folder.parent(relative, make=True, follow=append) as (parent, name):
        if not append:
            _clear(folder, parent, name, relative)
        with _open(parent, name, relative, append=append) as file:
            yield file


def write_file(
    folder: Workspace, relative: str | PurePosixPath, content: str | bytes, *, mode: int | None = None
) -> None:
    """Write a file, text as UTF-8 with its line ends as they are. Raises as `open_new`."""
    with open_new(folder, relative) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        if mode is not None:
            os.fchmod(file.fileno(), mode)


def copy_file(source: Tree, name: PurePosixPath, folder: Workspace, relative: str | PurePosixPath) -> None:
    """Copy a file with its mode and times, or a link as it is, to `relative` in `folder`. Raises as `open_new`."""
    with source.parent(name) as (there, last), folder.parent(relative, make=True, follow=False) as (parent, new):
        _clear(folder, parent, new, relative)
        _copy(there, last, parent, new, relative)


def make_folder(folder: Workspace, relative: str | PurePosixPath) -> None:
    """Make a folder, and those above it. Raises as `open_new`."""
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


def copy_tree(source: Tree, folder: Workspace, target: str = ".") -> list[str]:
    """Copy what is in `source` to `target` in `folder`, over what is there; returns the files' paths in `folder`.

    `.git` is left out. Raises InputError where a file would replace a folder, NotAllowedError for links that lead outside.
    """
    refuse_links_outside(source)
    copied: list[str] = []
    for here, there, _, others in source.folders():
        if ".git" in here.parts:
            continue
        place = PurePosixPath(target) / here
        with folder.parent(place / "_", make=True, follow=False) as (parent, _):
            for name in others:
                if name != ".git":
                    _clear(folder, parent, name, place / name)
                    _copy(there, name, parent, name, place / name)
                    copied.append(str(place / name))
    return copied


def _clear(folder: Workspace, parent: int, name: str, shown: str | PurePosixPath) -> None:
    """Remove a link that is in the way of a file. Raises NotAllowedError for one that leads out of the folder."""
    if is_link(parent, name):
        folder.resolve(shown)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)


def _open(parent: int, name: str, shown: str | PurePosixPath, *, append: bool = False) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
    try:
        descriptor = os.open(name, flags, 0o666, dir_fd=parent)
    except OSError as error:
        raise refusal(error, parent, name, shown) from error
    return os.fdopen(descriptor, "ab" if append else "wb")


def _copy(there: int, name: str, parent: int, new: str, shown: str | PurePosixPath) -> None:
    """From one open folder to another."""
    if is_link(there, name):
        try:
            text = os.readlink(name, dir_fd=there)
        except OSError as error:
            raise NotAllowedError(f"{shown} is no link any more: something exchanges it all the time") from error
        try:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=parent)
            os.symlink(text, new, dir_fd=parent)
        except OSError as error:
            raise refusal(error, parent, new, shown) from error
        return
    with open_file(there, name, shown) as source, _open(parent, new, shown) as file:
        shutil.copyfileobj(source, file)
        file.flush()
        state = os.fstat(source.fileno())
        os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
        os.utime(file.fileno(), ns=(state.st_atime_ns, state.st_mtime_ns))
