"""A folder of the workspace is swapped for a link to the outside between check and use, by somebody who never stops (A6)."""

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import pytest

from understage.errors import UnderstageError
from understage.sdk import Workspace
from understage_actions._tree import Tree, copy_file, copy_tree, make_folder, write_file

SECONDS = 1.0
AT_FDCWD = -100
EXCHANGE = 2
Write = Callable[[Workspace, Tree, str], object]
renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def exchange(one: Path, other: Path) -> None:
    """Each gets the other's name, in one step."""
    assert renameat2 is not None
    done = renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE)
    assert done == 0, os.strerror(ctypes.get_errno())


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[list[int]]:
    """Exchange two paths as fast as possible, each time in one step, so that both are there at any moment."""
    is_over = threading.Event()
    count = [0]

    def swap() -> None:
        while not is_over.is_set():
            exchange(one, other)
            count[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield count
    finally:
        is_over.set()
        thread.join()


@pytest.mark.skipif(renameat2 is None, reason="the C library has no renameat2 to swap paths with")
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda workspace, source, name: write_file(workspace, f"{name}/file", "x"), id="write"),
        pytest.param(
            lambda workspace, source, name: copy_file(source, PurePosixPath("file"), workspace, f"{name}/copy"),
            id="copy",
        ),
        pytest.param(
            lambda workspace, source, name: copy_file(source, PurePosixPath("link"), workspace, f"{name}/link"),
            id="copy of a link",
        ),
        pytest.param(lambda workspace, source, name: copy_tree(source, workspace, name), id="copy of a tree"),
        pytest.param(lambda workspace, source, name: make_folder(workspace, f"{name}/a/b"), id="folder"),
    ],
)
def test_nothing_is_written_through_a_folder_that_becomes_a_link(write: Write, tmp_path: Path) -> None:
    outside, source, workspace = tmp_path / "outside", tmp_path / "source", tmp_path / "workspace"
    for folder in (outside, source, workspace, workspace / "folder"):
        folder.mkdir()
    (source / "file").write_text("x")
    (source / "link").symlink_to("file")
    (workspace / "link").symlink_to(outside)
    written = refused = 0
    with swapping(workspace / "folder", workspace / "link") as swaps:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not (written and refused):
            assert time.monotonic() < end + 10 * SECONDS, "the race was never raced"
            try:
                write(Workspace(workspace), Tree(Workspace(source)), "folder")
                written += 1
            except UnderstageError:
                refused += 1
            assert not list(outside.iterdir())
    assert swaps[0] > 100


def test_the_last_name_is_not_followed_either(tmp_path: Path) -> None:
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    workspace.mkdir()
    outside.write_text("theirs")
    (workspace / "link").symlink_to(outside)
    with swapping_name(workspace, "file", "link"):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with suppress(UnderstageError):
                write_file(Workspace(workspace), "file", "ours")
            assert outside.read_text() == "theirs"


@contextmanager
def swapping_name(workspace: Path, name: str, link: str) -> Iterator[None]:
    """Put a link in a file's place again and again: what is written replaces it each time."""
    is_over = threading.Event()
    target = (workspace / link).readlink()

    def swap() -> None:
        while not is_over.is_set():
            draft = workspace / "draft"
            draft.symlink_to(target)
            draft.rename(workspace / name)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
