"""Archives from outside: what they may write, and what they may not."""

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from understage.errors import ForeignError, InputError
from understage.integrations.reader.archive import LISTED_BYTES, ArchiveLimits, unpack_tar, unpack_zip


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


@pytest.mark.parametrize(
    "data", [b"", b"<html>no archive</html>", gzip.compress(b"x" * 5000)], ids=["empty", "page", "no tar"]
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ForeignError, match="cannot be unpacked"):
        unpack_tar(io.BytesIO(data), tmp_path)


def zipped(*entries: tuple[str, bytes, int]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    buffer.seek(0)
    return buffer


def test_a_zip_is_unpacked_with_modes_and_inner_links(tmp_path: Path) -> None:
    archive = zipped(
        ("r/README.md", b"hi", 0),
        ("r/bin/", b"", stat.S_IFDIR | 0o755),
        ("r/bin/run", b"x", stat.S_IFREG | 0o6755),
        ("r/bin/link", b"../README.md", stat.S_IFLNK | 0o777),
    )
    assert unpack_zip(archive, tmp_path, strip=1) == 3
    assert (tmp_path / "bin" / "link").read_text() == "hi"
    assert (tmp_path / "bin" / "run").stat().st_mode & 0o7777 == 0o755
    archive.seek(0)
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "narrow").mkdir()
    assert unpack_zip(archive, below, below="r") == 3
    assert sorted(path.name for path in below.iterdir()) == ["README.md", "bin"]
    with pytest.raises(InputError, match="leads outside"):
        unpack_zip(archive, tmp_path / "narrow", below="r/bin")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../evil", b"x", 0)], "leads outside"),
        ([("/evil", b"x", 0)], "leads outside"),
        ([("a/..\\evil", b"x", 0)], "leads outside"),
        ([("link", b"/etc/passwd", stat.S_IFLNK)], "leads outside"),
        ([("link", b"../../x", stat.S_IFLNK)], "leads outside"),
        ([("link", b"x" * 5000, stat.S_IFLNK)], "leads outside"),
        ([("a", b"b", stat.S_IFLNK), ("b", b"a", stat.S_IFLNK)], "leads outside"),
        ([("pipe", b"", stat.S_IFIFO)], "neither file, folder nor symbolic link"),
        ([("a", b"1", 0), ("./a", b"2", 0)], "twice"),
        ([(str(number), b"", 0) for number in range(11)], "more than 10 entries"),
        ([("bomb", bytes(2_000_000), 0)], "more than 1 MiB"),
        ([("/".join("abcdefghijk"), b"", 0)], "folders more than 10 deep"),
    ],
)
def test_a_hostile_zip_writes_nothing_outside(
    tmp_path: Path, entries: list[tuple[str, bytes, int]], message: str
) -> None:
    destination = tmp_path / "out" / "in"
    destination.mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        unpack_zip(zipped(*entries), destination, limits=ArchiveLimits(total_bytes=1024 * 1024, entries=10, depth=10))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in"]


def test_a_zip_that_lies_about_its_list_is_refused(tmp_path: Path) -> None:
    limits = ArchiveLimits(entries=3)
    content = zipped(*((f"{number}-{'n' * LISTED_BYTES}", b"", 0) for number in range(4))).getvalue()
    end = content.rindex(b"PK\x05\x06")
    lying = content[: end + 8] + (1).to_bytes(2, "little") * 2 + content[end + 12 :]
    with pytest.raises(InputError, match="more than 3 entries"):
        unpack_zip(io.BytesIO(lying), tmp_path, limits=limits)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"<html>", zipped(("a", b"x" * 99, 0)).getvalue()[20:]])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ForeignError, match="cannot be unpacked"):
        unpack_zip(io.BytesIO(content), tmp_path)
