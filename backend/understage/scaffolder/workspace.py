"""Task folders, and snapshots of them that another process can continue from.

`tasks` makes the folder when a run starts, takes a snapshot with every step that ends, and removes the folder with the run.
Small snapshots live in the database, larger ones in a `SnapshotStore`.
"""

import asyncio
import hashlib
import io
import os
import shutil
import stat
import tarfile
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.sdk.workspace import Workspace, open_file

# A file changed so recently may change again without a visible change of its time stamp.
RECENT_NS = 50_000_000
EMPTY = hashlib.sha256().hexdigest()
"""The fingerprint of an empty folder."""


class SnapshotStore(Protocol):
    """Keeps snapshots that are too large for the database; contents are encrypted already."""

    async def put(self, name: str, content: bytes) -> None:
        """Store under a name (letters, digits, dots and dashes) that was not used before."""

    async def get(self, name: str) -> bytes:
        """The content. Raises FileNotFoundError."""

    async def delete(self, name: str) -> None:
        """Forget it; an unknown name is no error."""

    async def names(self, prefix: str = "") -> list[str]:
        """What is stored under names that begin so."""


class FolderSnapshots:
    """Snapshots as files of a folder; replicas that share tasks must share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, content: bytes) -> None:
        """As the protocol says; durable when it returns."""
        await asyncio.to_thread(self._write, name, content)

    async def get(self, name: str) -> bytes:
        """As the protocol says."""
        return await asyncio.to_thread((self._folder / name).read_bytes)

    async def delete(self, name: str) -> None:
        """As the protocol says."""
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def names(self, prefix: str = "") -> list[str]:
        """As the protocol says."""
        return await asyncio.to_thread(lambda: [path.name for path in self._folder.glob(f"{prefix}*")])

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def make_folder(path: Path, content: bytes | None) -> None:
    """An empty folder at `path`, or one with what a snapshot holds; what was there before goes."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    if content is not None:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            # Written by `pack`, encrypted and authenticated since: links and modes are taken as they were.
            # As an attribute, because the parameter does not exist before Python 3.11.4.
            archive.extraction_filter = _as_it_was
            archive.extractall(path)


def remove_folder(path: Path) -> None:
    """Remove the folder and everything in it."""
    shutil.rmtree(path, ignore_errors=True)


def is_empty(path: Path) -> bool:
    """Whether the folder has nothing in it, or is not there."""
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True


def pack(path: Path) -> bytes:
    """The folder as a compressed tar: files, folders, links, modes, times."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        # From folder to folder, as `Workspace` opens them: whatever becomes a link meanwhile, nothing outside is packed.
        for here, folder, _, others in Workspace(path).folders():
            archive.addfile(_folder_entry(here, folder))
            for name in others:
                with suppress(FileNotFoundError, NotFoundError, NotAllowedError, InputError):  # gone, or another by now
                    _add(archive, str(here / name), folder, name)
    return buffer.getvalue()


def fingerprint(path: Path) -> str:
    """A text that is the same as long as nothing in the folder changes."""
    digest = hashlib.sha256()
    now = time.time_ns()
    # What is gone or another by now has changed: the next look gives another text, whatever stands in this one.
    for here, folder, folders, others in Workspace(path).folders():
        for name in (*folders, *others):
            with suppress(FileNotFoundError, NotFoundError, NotAllowedError, InputError):
                _digest(digest, f"{here / name}", folder, name, now)
    return digest.hexdigest()


def _digest(digest: "hashlib._Hash", shown: str, folder: int, name: str, now: int) -> None:
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    digest.update(f"{shown}\0{state.st_mode}\0".encode("utf-8", "surrogateescape"))
    if stat.S_ISLNK(state.st_mode):
        with suppress(OSError):  # none any more
            digest.update(os.fsencode(os.readlink(name, dir_fd=folder)))
    elif stat.S_ISREG(state.st_mode):
        digest.update(f"{state.st_size}\0{state.st_mtime_ns}\0{state.st_ino}\0".encode())
        if now - state.st_mtime_ns < RECENT_NS:
            with open_file(folder, name, shown) as file:
                digest.update(file.read())


def _as_it_was(member: tarfile.TarInfo, _path: str) -> tarfile.TarInfo:
    return member


def _add(archive: tarfile.TarFile, shown: str, folder: int, name: str) -> None:
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        link = _without_owner(tarfile.TarInfo(shown))
        link.type, link.mode = tarfile.SYMTYPE, 0o777
        with suppress(OSError):  # none any more
            link.linkname = os.readlink(name, dir_fd=folder)
            archive.addfile(link)
    elif stat.S_ISREG(mode):  # sockets, pipes and devices have no content to keep
        with open_file(folder, name, shown) as file:
            archive.addfile(_without_owner(archive.gettarinfo(arcname=shown, fileobj=file)), file)


def _folder_entry(here: PurePosixPath, folder: int) -> tarfile.TarInfo:
    entry, state = tarfile.TarInfo(str(here)), os.fstat(folder)
    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, stat.S_IMODE(state.st_mode), int(state.st_mtime)
    return entry


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
