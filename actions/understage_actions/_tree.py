"""Writing into the workspace, and copying folders that come from outside. Called by the fetch and publish actions.

Whatever the source holds, nothing is written through a link, outside of the destination, or into a `.git`. A file is opened
from folder to folder, none of which may be a link by then: whoever puts a link into the way after it was looked for is refused.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

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
    """Where to write `relative` in `folder`, for programs that want a path: its parent is there, no link is in the way.

    Raises NotAllowedError for a path that leads out of the folder. To write a file oneself, take `open_new`.
    """
    target = _place(folder, relative)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _behind_a_file(relative) from None
    if target.is_symlink():
        target.unlink()
    return target


@contextmanager
def open_new(folder: Workspace, relative: str | PurePosixPath) -> Iterator[BinaryIO]:
    """`relative` in `folder`, empty and open for writing; a link of that name is replaced. Raises as `destination_in`."""
    with _parent_of(folder, relative) as (parent, name):
        if _is_link(name, parent):
            os.unlink(name, dir_fd=parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o666, dir_fd=parent)
        except OSError as error:
            raise _refusal(error, name, parent, relative) from error
        with os.fdopen(descriptor, "wb") as file:
            yield file


def write_file(
    folder: Workspace, relative: str | PurePosixPath, content: str | bytes, *, mode: int | None = None
) -> None:
    """Write a file, text as UTF-8 with its line ends as they are. Raises as `destination_in`."""
    with open_new(folder, relative) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        if mode is not None:
            os.fchmod(file.fileno(), mode)


def copy_file(path: Path, folder: Workspace, relative: str | PurePosixPath) -> None:
    """Copy a file with its mode and times, or a link as it is, to `relative` in `folder`. Raises as `destination_in`."""
    if path.is_symlink():
        with _parent_of(folder, relative) as (parent, name):
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
    """Make a folder, and those above it. Raises as `destination_in`."""
    with _parent_of(folder, PurePosixPath(relative) / "_"):
        pass


def _place(folder: Workspace, relative: str | PurePosixPath) -> Path:
    pure = PurePosixPath(str(relative))
    folder.resolve(str(pure))
    parent = folder.resolve(str(pure.parent))
    target = parent / pure.name
    if pure.name in ("", "..") or "\0" in pure.name or not target.is_relative_to(folder.path.resolve()):
        raise NotAllowedError("Relative path is not allowed to refer to a directory outside its parent")
    if any(part.is_symlink() for part in (parent, *parent.parents)):
        raise _behind_a_link(relative)
    return target


@contextmanager
def _parent_of(folder: Workspace, relative: str | PurePosixPath) -> Iterator[tuple[int, str]]:
    """The folder that `relative` is to be in, made where it is not there, as a descriptor; and the name in it.

    It is opened from the workspace on, over folders that are no links at the moment they are opened.
    """
    target = _place(folder, relative)
    root = folder.path.resolve()
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open(root, flags)
    try:
        for name in target.relative_to(root).parts[:-1]:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            try:
                below = os.open(name, flags, dir_fd=here)
            except OSError as error:
                raise _refusal(error, name, here, relative) from error
            os.close(here)
            here = below
        yield here, target.name
    finally:
        os.close(here)


def _is_link(name: str, parent: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _refusal(error: OSError, name: str, parent: int, shown: str | PurePosixPath) -> Exception:
    if error.errno == errno.ELOOP or _is_link(name, parent):
        return _behind_a_link(shown)
    return _behind_a_file(shown) if error.errno == errno.ENOTDIR else error


def _behind_a_link(shown: str | PurePosixPath) -> NotAllowedError:
    return NotAllowedError(f"{shown} lies behind a symbolic link")


def _behind_a_file(shown: str | PurePosixPath) -> InputError:
    return InputError(f"{shown} cannot be written: a part of its path is a file")


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
