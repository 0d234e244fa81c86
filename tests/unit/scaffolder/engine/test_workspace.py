"""Snapshots of workspaces: what comes back, and when there is something new."""

import os
import socket
from pathlib import Path

import pytest

from understage.scaffolder.workspace import FolderSnapshots, fingerprint, make_folder, pack


def fill(folder: Path) -> None:
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    (folder / ".hidden").write_bytes(bytes(range(256)))
    (folder / "link").symlink_to("sub/run.sh")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "ünïcode name").write_text("x")


def test_a_restored_workspace_is_the_same(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    fill(before)
    after.mkdir()
    (after / "stale").write_text("of an earlier claim")
    make_folder(after, pack(before))
    assert sorted(str(path.relative_to(after)) for path in after.rglob("*")) == sorted(
        str(path.relative_to(before)) for path in before.rglob("*")
    )
    assert (after / ".hidden").read_bytes() == bytes(range(256))
    assert (after / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (after / "link").readlink() == Path("sub/run.sh")
    assert (after / "dangling").readlink() == Path("/nowhere/at/all")


def test_sockets_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("w/socket")
        content = pack(tmp_path / "w")
    make_folder(tmp_path / "again", content)
    assert list((tmp_path / "again").iterdir()) == []


def test_a_fingerprint_changes_with_the_files_only(tmp_path: Path) -> None:
    fill(tmp_path)
    marks = [fingerprint(tmp_path)]
    assert fingerprint(tmp_path) == marks[0]

    def note() -> None:
        marks.append(fingerprint(tmp_path))

    (tmp_path / "new").write_text("a")
    note()
    (tmp_path / "new").write_text("b")  # the same size, perhaps the same time stamp
    note()
    (tmp_path / "new").chmod(0o700)
    note()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    note()
    os.rename(tmp_path / "new", tmp_path / "newer")  # noqa: PTH104 - plainly a rename
    note()
    assert len(set(marks)) == len(marks)


async def test_a_snapshot_store_forgets_what_it_is_told_to(tmp_path: Path) -> None:
    store = FolderSnapshots(tmp_path / "not" / "there" / "yet")
    await store.put("one", b"content")
    assert await store.get("one") == b"content"
    await store.delete("one")
    await store.delete("one")
    with pytest.raises(FileNotFoundError):
        await store.get("one")
