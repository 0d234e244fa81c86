"""Unpacking, fetching and looking at whole trees while a folder in them is swapped for a link outside (A6).

`folder` is the tree's own, `link` leads to a folder outside with the same names; somebody exchanges the two without a pause. Each
operation may be refused; never may it show, read or change what is outside.
"""

import io
import os
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.actions.test_workspace_races import SECONDS, renameat2, swapping

from understage.errors import UnderstageError
from understage.integrations.reader.archive import unpack_tar, unpack_zip
from understage.integrations.templating import FileTemplating
from understage.scaffolder.workspace import fingerprint
from understage.sdk import Action, TemplateInfo
from understage.sdk.testing import fake_ports, run_action
from understage_actions.fetch_plain import fetch_plain, fetch_plain_file
from understage_actions.fetch_template import fetch_template, fetch_template_file

pytestmark = pytest.mark.skipif(renameat2 is None, reason="the C library has no renameat2 to swap paths with")

NAMES = [f"file{number}" for number in range(20)]


def tarred(folder: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in (*NAMES, "deep/file"):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"ours"))
        link = tarfile.TarInfo(f"{folder}/inner")
        link.type, link.linkname = tarfile.SYMTYPE, "file1"
        archive.addfile(link)
    buffer.seek(0)
    return buffer


def zipped(folder: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (*NAMES, "deep/file"):
            archive.writestr(f"{folder}/{name}", "ours")
        link = zipfile.ZipInfo(f"{folder}/inner")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "file1")
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(("unpack", "packed"), [(unpack_tar, tarred), (unpack_zip, zipped)], ids=["tar", "zip"])
def test_nothing_is_unpacked_through_a_folder_that_becomes_a_link(
    unpack: Callable[..., int], packed: Callable[[str], io.BytesIO], tmp_path: Path
) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (inside / "folder").mkdir(parents=True)
    (inside / "link").symlink_to(outside)
    done = refused = number = 0
    with swapping(inside / "folder", inside / "link") as swaps:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not (done and refused):
            assert time.monotonic() < end + 20 * SECONDS, "the race was never raced"
            # Each time into a folder of its own: nothing is there twice.
            number += 1
            try:
                unpack(packed(f"folder/{number}"), inside)
                done += 1
            except UnderstageError:
                refused += 1
            assert not list(outside.iterdir())
    assert swaps[0] > 100


FETCHES: dict[str, tuple[Action[Any, Any], dict[str, Any]]] = {
    "a folder": (fetch_plain, {"url": "./skeleton"}),
    "a file": (fetch_plain_file, {"url": "./skeleton/folder/file1", "targetPath": "file1"}),
    "a skeleton": (fetch_template, {"url": "./skeleton", "replace": True}),
    "a skeleton as it is": (fetch_template, {"url": "./skeleton", "copyWithoutTemplating": ["**"], "replace": True}),
    "a file of a skeleton": (
        fetch_template_file,
        {"url": "./skeleton/folder/file1", "targetPath": "file1", "replace": True},
    ),
}


@pytest.mark.parametrize("name", FETCHES)
async def test_nothing_outside_is_fetched(name: str, tmp_path: Path) -> None:
    """The link is beside the skeleton half of the time, where it is no reason to refuse the whole."""
    action, input = FETCHES[name]
    outside, template, workspace = tmp_path / "outside", tmp_path / "template", tmp_path / "workspace"
    for folder, owner in ((outside, "theirs"), (template / "skeleton" / "folder", "ours")):
        folder.mkdir(parents=True)
        for file in NAMES:
            (folder / file).write_text(owner)
    (template / "link").symlink_to(outside)
    workspace.mkdir()
    ports = fake_ports(templating=FileTemplating())
    info = TemplateInfo("template:default/t", (template / "template.yaml").as_uri())
    done = 0
    refusals: list[str] = []
    with swapping(template / "skeleton" / "folder", template / "link") as swaps:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not (done and refusals):
            assert time.monotonic() < end + 20 * SECONDS, "the race was never raced"
            try:
                await run_action(action, input, workspace=workspace, ports=ports, template=info)
                done += 1
            except UnderstageError as error:
                refusals.append(error.message)
            for path in workspace.rglob("*"):
                assert path.is_symlink() or not path.is_file() or path.read_text() == "ours"
    assert "theirs" not in "".join(refusals)
    assert swaps[0] > 100


def test_a_fingerprint_reads_nothing_outside(tmp_path: Path) -> None:
    """What was read tells the time of it: the system notes when a file, or the list of a folder, was last read."""
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    for folder in (outside, workspace / "folder"):
        folder.mkdir(parents=True)
        for name in NAMES:
            (folder / name).write_text("x")
    (workspace / "link").symlink_to(outside)
    watched = [outside, *outside.iterdir()]
    if not _is_noted(tmp_path / "control"):
        pytest.skip("this file system does not note when a file is read")
    ours = os.open(workspace / "folder", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with swapping(workspace / "folder", workspace / "link") as swaps:
            end = time.monotonic() + 2 * SECONDS
            while time.monotonic() < end:
                for name in NAMES:
                    os.utime(name, dir_fd=ours)  # of what was written just now the content is read
                for path in watched:
                    os.utime(path, ns=(0, time.time_ns()))
                fingerprint(workspace)
                assert [path for path in watched if path.stat().st_atime_ns] == []
    finally:
        os.close(ours)
    assert swaps[0] > 100


def _is_noted(folder: Path) -> bool:
    folder.mkdir()
    file = folder / "file"
    file.write_text("x")
    for path in (folder, file):
        os.utime(path, ns=(0, time.time_ns()))
    file.read_text()
    return bool(file.stat().st_atime_ns and [*folder.iterdir()] and folder.stat().st_atime_ns)
