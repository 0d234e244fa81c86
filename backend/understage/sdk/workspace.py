"""The task's folder, and the ways into it that nobody can divert. Called by actions, dry runs and snapshots.

Between a look at a path and its use, anybody who writes into the workspace may exchange a folder for a link to the outside. So a
path is looked up once, and then opened from the workspace on, folder by folder, none of which may be a link by then. What wants a
path, such as git and Helm, gets one of a frozen copy.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from understage.errors import InputError, NotAllowedError, NotFoundError, UnderstageError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe waits for its other end, unless told not to.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
OUTSIDE = "Relative path is not allowed to refer to a directory outside its parent"

Relative = str | PurePosixPath | Path


class Workspace:
    """The task's folder. Every path of a template goes through `resolve`, or through what opens it.

    With `make` the folder is made when somebody first asks for it.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self._path = path
        self._is_made = not make

    @property
    def path(self) -> Path:
        """The folder itself."""
        if not self._is_made:
            self._path.mkdir(parents=True, mode=0o700, exist_ok=True)
            self._is_made = True
        return self._path

    @cached_property
    def root(self) -> Path:
        """Where the folder really is; looked up once."""
        return self.path.resolve()

    def resolve(self, relative: Relative) -> Path:
        """Absolute path of `relative` inside the workspace, symlinks followed.

        Raises NotAllowedError for a path that leads out of the workspace. The path is right at this moment: to read, write,
        rename or delete, take what opens it.
        """
        if "\0" in str(relative):
            raise NotAllowedError("A path must not contain a NUL character")
        try:
            resolved = (self.root / relative).resolve()
        except (OSError, RuntimeError) as error:
            raise NotAllowedError(f"{relative} cannot be followed: {error}") from error
        if not resolved.is_relative_to(self.root):
            raise NotAllowedError(OUTSIDE)
        return resolved

    @contextmanager
    def parent(self, relative: Relative, *, make: bool = False, follow: bool = True) -> Iterator[tuple[int, str]]:
        """The folder that `relative` is in, as a descriptor, and the name in it; made where it is not there, if asked.

        Links within the workspace are followed, the last name's only with `follow`. Raises NotAllowedError for what leads out
        of the workspace, lies behind a link by now, or is the workspace itself; NotFoundError without `make`.
        """
        pure = PurePosixPath(str(relative))
        if "\0" in pure.name or (not follow and pure.name in ("", "..")):
            raise NotAllowedError(OUTSIDE)
        target = self.resolve(relative) if follow else self.resolve(pure.parent) / pure.name
        parts = target.relative_to(self.root).parts
        if not parts:
            raise NotAllowedError(OUTSIDE)
        with self.folder(parts[:-1], relative, make=make) as folder:
            yield folder, parts[-1]

    @contextmanager
    def open(self, relative: Relative) -> Iterator[BinaryIO]:
        """A file, open for reading. Raises as `parent`, and InputError for what is no file."""
        with self.parent(relative) as (folder, name), open_file(folder, name, relative) as file:
            yield file

    def read_bytes(self, relative: Relative) -> bytes:
        """What is in a file. Raises as `open`."""
        with self.open(relative) as file:
            return file.read()

    def names(self, relative: Relative) -> list[str]:
        """What is in a folder, sorted; nothing where there is none. Raises NotAllowedError as `parent`."""
        parts = self.resolve(relative).relative_to(self.root).parts
        try:
            with self.folder(parts, relative) as folder:
                return sorted(os.listdir(folder))  # noqa: PTH208 - of a descriptor
        except (NotFoundError, InputError):
            return []

    def folders(self, below: Relative = ".") -> Iterator[tuple[PurePosixPath, int, list[str], list[str]]]:
        """Each folder from `below` on, parents first: its path, its descriptor, the names of its folders, those of all else.

        The descriptor is open until the next one is asked for. Links are not followed; a folder that is gone or a link by
        now, or that may not be read, is passed over.
        """
        yield from self._walk(PurePosixPath(self.resolve(below).relative_to(self.root)))

    def _walk(self, start: PurePosixPath) -> Iterator[tuple[PurePosixPath, int, list[str], list[str]]]:
        waiting = [start]
        while waiting:
            here = waiting.pop()
            try:
                with self.folder(here.parts, here) as folder:
                    folders, others = _names(folder)
                    waiting += [here / name for name in reversed(folders)]
                    yield here, folder, folders, others
            except (UnderstageError, FileNotFoundError, NotADirectoryError, PermissionError):
                continue

    def freeze(self, relative: Relative, into: Path, *, links: bool = True) -> Path:
        """A copy of a file or folder, of the same name, in the folder `into` outside of the workspace; returns its path.

        What is done to the workspace meanwhile changes no name in it. Files are hard links where that can be, for programs that
        only read; with `links=False` they are copies. Pipes, sockets and devices are left out. Raises NotFoundError.
        """
        source = self.resolve(relative)
        target = into / source.name
        start = PurePosixPath(source.relative_to(self.root))
        if start.parts:
            with self.folder(start.parts[:-1], relative) as folder:
                if not stat.S_ISDIR(_state(folder, source.name, relative).st_mode):
                    _take(folder, source.name, target, links=links)
                    if target.is_symlink():  # what was looked up is none
                        target.unlink()
                        raise NotAllowedError(f"{relative} lies behind a symbolic link")
                    if not target.exists():  # a folder again, or nothing
                        raise NotFoundError(f"The workspace has no {relative}; something exchanges it all the time")
                    return target
        with self.folder(start.parts, relative):
            target.mkdir()  # an empty one is what is left of a folder that goes away meanwhile
        for here, folder, _, others in self._walk(start):
            place = target / here.relative_to(start)
            place.mkdir(exist_ok=True)
            for name in others:
                with suppress(FileNotFoundError):
                    _take(folder, name, place / name, links=links)
        return target

    @contextmanager
    def folder(self, parts: tuple[str, ...], shown: Relative, *, make: bool = False) -> Iterator[int]:
        """The folder that these names lead to, as a descriptor; made where it is not there, if asked. None may be a link.

        Raises as `parent`, with `shown` as the path.
        """
        here = os.open(self.root, FOLDER)
        try:
            for name in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=here)
                try:
                    below = os.open(name, FOLDER, dir_fd=here)
                except OSError as error:
                    raise refusal(error, here, name, shown) from error
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)


def refusal(error: OSError, folder: int, name: str, shown: Relative) -> Exception:
    """What to raise where `name` could not be opened: `shown` is behind a link, behind a file, or not there."""
    if error.errno == errno.ELOOP or is_link(folder, name):
        return NotAllowedError(f"{shown} lies behind a symbolic link")
    if error.errno == errno.EISDIR:
        return InputError(f"{shown} is a folder: a file of that name cannot be written")
    if error.errno == errno.ENOTDIR:
        return InputError(f"{shown} cannot be written: a part of its path is a file")
    return NotFoundError(f"The workspace has no {shown}") if error.errno == errno.ENOENT else error


def is_link(folder: int, name: str) -> bool:
    """Whether there is a symbolic link of that name."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _state(folder: int, name: str, shown: Relative) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        raise refusal(error, folder, name, shown) from error


def open_file(folder: int, name: str, shown: Relative) -> BinaryIO:
    """A file of a folder, not a link, for reading. Raises as `refusal` says, and InputError for what is no file."""
    try:
        descriptor = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        raise refusal(error, folder, name, shown) from error
    file = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if file is None:
        os.close(descriptor)
        raise InputError(f"{shown} is no file")
    return file


def _names(folder: int) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    return sorted(folders), sorted(others)


def _take(folder: int, name: str, target: Path, *, links: bool) -> None:
    if links:
        try:
            os.link(name, target, src_dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, somebody else's file, too many links
            _copy(folder, name, target)
    else:
        _copy(folder, name, target)
    # The copy is nobody else's: what is seen of it now stays true.
    if target.is_symlink() or target.is_file():
        return
    with suppress(OSError):
        target.unlink()


def _copy(folder: int, name: str, target: Path) -> None:
    if is_link(folder, name):
        with suppress(OSError):  # none any more
            target.symlink_to(os.readlink(name, dir_fd=folder))
        return
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return
    with open_file(folder, name, name) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
        state = os.fstat(source.fileno())
        os.fchmod(copy.fileno(), stat.S_IMODE(state.st_mode))
        os.utime(copy.fileno(), ns=(state.st_atime_ns, state.st_mtime_ns))
