"""Unpacking archives that come from outside: nothing leaves the folder, nothing grows without limit.

Only folders, files and links within the tree are written; links last, so no file is written through one. Folders are opened one
below the other, none of which may be a link by then: somebody may exchange them meanwhile.
"""

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Self

from understage.errors import ForeignError, InputError
from understage.sdk.links import leads_inside
from understage.sdk.workspace import Workspace

MIB = 1024 * 1024
LONGEST_LINK = 4096
LISTED_BYTES = 256
"""Bytes that the list of a zip file may have for each entry, on average."""
_CHUNK = 256 * 1024
# The longest comment, the end of the list, and the two records of large files before it.
_ZIP_TAIL = 0xFFFF + 22 + 20 + 56


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold: unpacked bytes in all, entries, folders below each other."""

    total_bytes: int = 512 * MIB
    entries: int = 50_000
    depth: int = 64


def unpack_tar(
    archive: IO[bytes], destination: Path, *, strip: int = 0, below: str = "", limits: ArchiveLimits | None = None
) -> int:
    """Write the files of a tar (gzip or plain) into the existing, empty `destination`; returns how many there were.

    `strip` leading folders are dropped from each name; of the rest only what lies below `below` is written, relative to it.
    Raises InputError for names or links that lead outside, devices, hard links and anything above `limits`; ForeignError
    for a file that is no archive.
    """
    with Unpacking(destination, strip, PurePosixPath(below), limits or ArchiveLimits()) as unpacking:
        try:
            with closing(tarfile.open(fileobj=archive, mode="r|*")) as tar:
                for member in tar:
                    unpacking.count(member.size)
                    target = unpacking.target(member.name)
                    if target is not None:
                        _take(unpacking, tar, member, target)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise ForeignError(f"the archive cannot be unpacked: {error}") from error
        return unpacking.finish()


def unpack_zip(
    archive: IO[bytes], destination: Path, *, strip: int = 0, below: str = "", limits: ArchiveLimits | None = None
) -> int:
    """`unpack_tar` for zip files; `archive` can be read at any place."""
    limits = limits or ArchiveLimits()
    _check_directory(archive, limits)
    with Unpacking(destination, strip, PurePosixPath(below), limits) as unpacking:
        try:
            with zipfile.ZipFile(archive) as content:
                for entry in content.infolist():
                    unpacking.count(entry.file_size)
                    target = unpacking.target(entry.filename)
                    if target is not None:
                        _take_zipped(unpacking, content, entry, target)
        except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, struct.error, zlib.error, OSError) as error:
            raise ForeignError(f"the archive cannot be unpacked: {error}") from error
        return unpacking.finish()


def _take(unpacking: "Unpacking", tar: tarfile.TarFile, member: tarfile.TarInfo, target: PurePosixPath) -> None:
    if member.issym():
        unpacking.link(target, member.linkname, member.name)
    elif member.isdir():
        unpacking.folder(target)
    elif not member.isreg():
        raise InputError(f"the archive holds {member.name[:200]!r}, which is neither file, folder nor symbolic link")
    else:
        source = tar.extractfile(member)
        assert source is not None
        unpacking.write(target, source, member.name, executable=bool(member.mode & 0o100))


def _take_zipped(
    unpacking: "Unpacking", content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: PurePosixPath
) -> None:
    mode = entry.external_attr >> 16
    if entry.is_dir():
        unpacking.folder(target)
    elif stat.S_ISLNK(mode):
        if entry.file_size > LONGEST_LINK:
            raise InputError(f"the archive holds the link {entry.filename[:200]!r}, which leads outside of it")
        unpacking.link(target, content.read(entry).decode("utf-8", "surrogateescape"), entry.filename)
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise InputError(f"the archive holds {entry.filename[:200]!r}, which is neither file, folder nor symbolic link")
    else:
        with content.open(entry) as source:
            unpacking.write(target, source, entry.filename, executable=bool(mode & 0o100))


def _check_directory(archive: IO[bytes], limits: ArchiveLimits) -> None:
    """Refuse a list of entries above the limits before it is read, as all of it is read at once."""
    size = archive.seek(0, io.SEEK_END)
    archive.seek(max(0, size - _ZIP_TAIL))
    tail = archive.read()
    archive.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    counts = []
    if end >= 0 and len(tail) >= end + 22:
        counts.append(struct.unpack_from("<HL", tail, end + 10))
        locator = end - 20
        if locator >= 56 and tail[locator : locator + 4] == b"PK\x06\x07":
            counts = [struct.unpack_from("<QQ", tail, locator - 56 + 32)]
    for entries, directory_size in counts:
        if entries > limits.entries or directory_size > limits.entries * LISTED_BYTES:
            raise InputError(f"the archive has more than {limits.entries} entries")


@dataclass
class Unpacking:
    """What was written so far; `strip`, `below` and `limits` as `unpack_tar` has them. A context, which holds a folder open."""

    destination: Path
    strip: int
    below: PurePosixPath
    limits: ArchiveLimits
    written: int = 0
    size: int = 0
    entries: int = 0
    links: list[tuple[PurePosixPath, str, str]] = field(default_factory=list)
    _open: tuple[PurePosixPath, int] | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def count(self, size: int) -> None:
        """Note one more entry. Raises InputError above the limits."""
        self.entries += 1
        if self.entries > self.limits.entries:
            raise InputError(f"the archive has more than {self.limits.entries} entries")
        self.size += max(size, 0)
        if self.size > self.limits.total_bytes:
            raise InputError(f"the archive unpacks to more than {self.limits.total_bytes // MIB} MiB")

    def target(self, name: str) -> PurePosixPath | None:
        """Where an entry goes, below the destination; None for one outside of what was asked for."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise InputError(f"the archive holds {name[:200]!r}, which leads outside of it")
        if len(path.parts) > self.limits.depth:
            raise InputError(f"the archive has folders more than {self.limits.depth} deep")
        inner = PurePosixPath(*path.parts[self.strip :])
        if not inner.is_relative_to(self.below):
            return None
        inner = inner.relative_to(self.below)
        return inner if inner.parts else None

    def folder(self, target: PurePosixPath) -> int:
        """A folder, made where it is not there: open until the next one is asked for. Most entries are where the last one was.

        Raises NotAllowedError where a link is in the way, InputError where a file is.
        """
        if self._open is None or self._open[0] != target:
            self._held.close()
            self._open = None
            inside = Workspace(self.destination).folder(target.parts, target, make=True)
            self._open = target, self._held.enter_context(inside)
        return self._open[1]

    def write(self, target: PurePosixPath, source: IO[bytes], name: str, *, executable: bool) -> None:
        """Write a file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(target.name, flags, 0o600, dir_fd=self.folder(target.parent))
        except FileExistsError:
            raise InputError(f"the archive holds {name[:200]!r} twice") from None
        with os.fdopen(descriptor, "wb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        self.written += 1

    def link(self, target: PurePosixPath, text: str, name: str) -> None:
        """Keep a link until all files are written."""
        self.links.append((target, text, name))

    def finish(self) -> int:
        """Write the links; how many files and links there are."""
        for target, text, name in self.links:
            self._link(target, text, name)
        # Once more when all are there: a link may change where another one leads.
        for target, _, name in self.links:
            self._check_link(target, name)
        return self.written

    def _link(self, target: PurePosixPath, text: str, name: str) -> None:
        if PurePosixPath(text).is_absolute():
            raise InputError(f"the archive holds the link {name[:200]!r}, which leads outside of it")
        try:
            os.symlink(text, target.name, dir_fd=self.folder(target.parent))
        except FileExistsError:
            raise InputError(f"the archive holds {name[:200]!r} twice") from None
        self._check_link(target, name)
        self.written += 1

    def _check_link(self, target: PurePosixPath, name: str) -> None:
        if not leads_inside(self.destination / target, self.destination.resolve()):
            with suppress(FileNotFoundError):
                os.unlink(target.name, dir_fd=self.folder(target.parent))
            raise InputError(f"the archive holds the link {name[:200]!r}, which leads outside of it")
