"""Archives from outside: what they may write, and what they may not."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from understage.errors import ForeignError, InputError
from understage.integrations.reader.archive import ArchiveLimits, unpack_tar


def entry(name: str, type: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644, data: bytes = b"x") -> tuple:  # type: ignore[type-arg] # a test's shorthand
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = type, link, mode
    info.size = len(data) if type == tarfile.REGTYPE else 0
    return info, data


def tar(*entries: tuple) -> io.BytesIO:  # type: ignore[type-arg] # a test's shorthand
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    buffer.seek(0)
    return buffer


def test_files_modes_and_inner_links_are_written(tmp_path: Path) -> None:
    archive = tar(
        entry("web-abc", tarfile.DIRTYPE),
        entry("web-abc/README.md", data=b"hi"),
        entry("web-abc/bin/run", mode=0o6755),
        entry("web-abc/bin/link", tarfile.SYMTYPE, link="../README.md"),
        entry("web-abc/empty", tarfile.DIRTYPE),
    )
    assert unpack_tar(archive, tmp_path, strip=1) == 3
    assert (tmp_path / "bin" / "link").read_text() == "hi"
    assert (tmp_path / "bin" / "run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "README.md").stat().st_mode & 0o111 == 0
    assert (tmp_path / "empty").is_dir()


def test_only_what_is_below_the_asked_folder_is_written(tmp_path: Path) -> None:
    archive = tar(entry("r/a/b/c.txt"), entry("r/a/bb/d.txt"), entry("r/e.txt"))
    assert unpack_tar(archive, tmp_path, strip=1, below="a/b") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.txt"]


@pytest.mark.parametrize(
    "entries",
    [
        [entry("r/../../evil")],
        [entry("/r/evil")],
        [entry("r/..\\evil")],
        [entry("r/link", tarfile.SYMTYPE, link="/etc/passwd")],
        [entry("r/link", tarfile.SYMTYPE, link="../../evil")],
        [entry("r/a", tarfile.SYMTYPE, link="b"), entry("r/b", tarfile.SYMTYPE, link="../..")],
        [entry("r/a", tarfile.SYMTYPE, link="b/../x"), entry("r/b", tarfile.SYMTYPE, link=".")],
        [entry("r/a", tarfile.SYMTYPE, link="a")],
        [entry("r/hard", tarfile.LNKTYPE, link="r/other")],
        [entry("r/device", tarfile.CHRTYPE)],
        [entry("r/pipe", tarfile.FIFOTYPE)],
        [entry("r/twice"), entry("r/twice", data=b"y")],
        [entry("r/dir", tarfile.SYMTYPE, link=".."), entry("r/dir/evil")],
        ["r/" + "d/" * 70 + "file"],
    ],
)
def test_entries_that_lead_outside_are_refused(tmp_path: Path, entries: list) -> None:  # type: ignore[type-arg]
    inside = tmp_path / "inside"
    inside.mkdir()
    made = [entry(item) if isinstance(item, str) else item for item in entries]
    with pytest.raises(InputError, match="the archive"):
        unpack_tar(tar(*made), inside, strip=1)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not any(path.is_symlink() and not path.resolve().is_relative_to(inside) for path in inside.rglob("*"))


def test_bombs_end(tmp_path: Path) -> None:
    many = tar(*(entry(f"r/{index}") for index in range(20)))
    with pytest.raises(InputError, match="more than 10 entries"):
        unpack_tar(many, tmp_path, limits=ArchiveLimits(entries=10))
    big = tar(entry("r/zeros", data=b"\0" * 2_000_000))
    with pytest.raises(InputError, match="more than 1 MiB"):
        unpack_tar(big, tmp_path, limits=ArchiveLimits(total_bytes=1024 * 1024))
    assert not (tmp_path / "r" / "zeros").exists()
    claims = entry("r/sparse")[0]
    claims.size = 10 * 1024**3
    with pytest.raises(InputError, match="unpacks to more than"):
        unpack_tar(io.BytesIO(claims.tobuf()), tmp_path)


@pytest.mark.parametrize("data", [b"", b"<html>no archive</html>", gzip.compress(b"x" * 5000)])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ForeignError, match="cannot be unpacked"):
        unpack_tar(io.BytesIO(data), tmp_path)
