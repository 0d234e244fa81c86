"""Unpacking archives that come from outside: nothing leaves the folder, nothing grows without limit.

Only folders, files and links within the tree are written; links last, so no file is written through one.
"""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from understage.errors import ForeignError, InputError
from understage.sdk.links import leads_inside

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
    unpacking = Unpacking(destination, strip, PurePosixPath(below), limits or ArchiveLimits())
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
    unpacking = Unpacking(destination, strip, PurePosixPath(below), limits)
    _check_directory(archive, limits)
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


def _take(unpacking: "Unpacking", tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.issym():
        unpacking.link(target, member.linkname, member.name)
    elif member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif not member.isreg():
        raise InputError(f"the archive holds {member.name[:200]!r}, which is neither file, folder nor symbolic link")
    else:
        source = tar.extractfile(member)
        assert source is not None
        unpacking.write(target, source, member.name, executable=bool(member.mode & 0o100))


def _take_zipped(unpacking: "Unpacking", content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    mode = entry.external_attr >> 16
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
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
    """What was written so far; `strip`, `below` and `limits` as `unpack_tar` has them."""

    destination: Path
    strip: int
    below: PurePosixPath
    limits: ArchiveLimits
    written: int = 0
    size: int = 0
    entries: int = 0
    links: list[tuple[Path, str, str]] = field(default_factory=list)

    def count(self, size: int) -> None:
        """Note one more entry. Raises InputError above the limits."""
        self.entries += 1
        if self.entries > self.limits.entries:
            raise InputError(f"the archive has more than {self.limits.entries} entries")
        self.size += max(size, 0)
        if self.size > self.limits.total_bytes:
            raise InputError(f"the archive unpacks to more than {self.limits.total_bytes // MIB} MiB")

    def target(self, name: str) -> Path | None:
        """Where an entry goes; None for one outside of what was asked for."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise InputError(f"the archive holds {name[:200]!r}, which leads outside of it")
        if len(path.parts) > self.limits.depth:
            raise InputError(f"the archive has folders more than {self.limits.depth} deep")
        inner = PurePosixPath(*path.parts[self.strip :])
        if not inner.is_relative_to(self.below):
            return None
        inner = inner.relative_to(self.below)
        return self.destination.joinpath(*inner.parts) if inner.parts else None

    def write(self, target: Path, source: IO[bytes], name: str, *, executable: bool) -> None:
        """Write a file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise InputError(f"the archive holds {name[:200]!r} twice")
        with target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
        target.chmod(0o755 if executable else 0o644)
        self.written += 1

    def link(self, target: Path, text: str, name: str) -> None:
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

    def _link(self, target: Path, text: str, name: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() or target.is_symlink():
            raise InputError(f"the archive holds {name[:200]!r} twice")
        if PurePosixPath(text).is_absolute():
            raise InputError(f"the archive holds the link {name[:200]!r}, which leads outside of it")
        target.symlink_to(text)
        self._check_link(target, name)
        self.written += 1

    def _check_link(self, target: Path, name: str) -> None:
        if not leads_inside(target, self.destination.resolve()):
            target.unlink()
            raise InputError(f"the archive holds the link {name[:200]!r}, which leads outside of it")
