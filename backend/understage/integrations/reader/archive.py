"""Unpacking tar archives that come from outside: nothing leaves the folder, nothing grows without limit.

Only folders, files and links within the tree are written; links last, so no file is written through one.
"""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from understage.errors import ForeignError, InputError

MIB = 1024 * 1024
_CHUNK = 256 * 1024


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
    return _Unpacking(destination, strip, PurePosixPath(below), limits or ArchiveLimits()).run(archive)


@dataclass
class _Unpacking:
    destination: Path
    strip: int
    below: PurePosixPath
    limits: ArchiveLimits
    written: int = 0
    size: int = 0

    def run(self, archive: IO[bytes]) -> int:
        links: list[tuple[Path, str, str]] = []
        try:
            with closing(tarfile.open(fileobj=archive, mode="r|*")) as tar:
                for member in self._members(tar):
                    target = self._target(member.name)
                    if target is None:
                        continue
                    if member.issym():
                        links.append((target, member.linkname, member.name))
                    else:
                        self._write(tar, member, target)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise ForeignError(f"the archive cannot be unpacked: {error}") from error
        for target, text, name in links:
            self._link(target, text, name)
        # Once more when all are there: a link may change where another one leads.
        for target, _, name in links:
            self._check_link(target, name)
        return self.written

    def _members(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for count, member in enumerate(tar, start=1):
            if count > self.limits.entries:
                raise InputError(f"the archive has more than {self.limits.entries} entries")
            self.size += max(member.size, 0)
            if self.size > self.limits.total_bytes:
                raise InputError(f"the archive unpacks to more than {self.limits.total_bytes // MIB} MiB")
            yield member

    def _target(self, name: str) -> Path | None:
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

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        if not member.isreg():
            raise InputError(
                f"the archive holds {member.name[:200]!r}, which is neither file, folder nor symbolic link"
            )
        source = tar.extractfile(member)
        assert source is not None
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise InputError(f"the archive holds {member.name[:200]!r} twice")
        with target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
        self.written += 1

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
        if not _leads_inside(target, self.destination.resolve()):
            target.unlink()
            raise InputError(f"the archive holds the link {name[:200]!r}, which leads outside of it")


def _leads_inside(link: Path, root: Path) -> bool:
    try:
        inside = link.resolve().is_relative_to(root)
        link.stat()
    except FileNotFoundError:
        return inside
    except (OSError, RuntimeError):  # a loop of links: which error tells depends on the version of Python
        return False
    return inside
