"""Reading, renaming, deleting and running programs while a folder of the workspace is swapped for a link outside (A6).

`folder` is the task's own, with a file that says `ours`; `link` leads to a folder outside with the same names that says `theirs`.
Somebody exchanges the two without a pause. Each operation may be refused; never may it show, move or change what is outside.
"""

import gzip
import io
import os
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path
from typing import Any

import pytest
from tests.unit.actions.test_workspace_races import SECONDS, exchange, renameat2, swapping

from understage.errors import UnderstageError
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.helm import HelmBinary
from understage.scaffolder.workspace import pack
from understage.sdk import Action, GitAuthor, Workspace
from understage.sdk.testing import fake_ports, make_context, run_action
from understage_actions._publishing import push_folder, source_folder
from understage_actions.debug_log import debug_log
from understage_actions.fs_delete import delete
from understage_actions.fs_readdir import readdir
from understage_actions.fs_rename import rename
from understage_actions.helm_render_values import render_values
from understage_actions.helm_template import template
from understage_actions.utils_fs_parse import parse
from understage_actions.utils_fs_replace import replace
from understage_actions.utils_fs_write import append
from understage_actions.utils_merge import merge
from understage_actions.utils_zip import unzip, zip

pytestmark = pytest.mark.skipif(renameat2 is None, reason="the C library has no renameat2 to swap paths with")

PROGRAM_SECONDS = 3.0
CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"


def _zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("unpacked", text)
    return buffer.getvalue()


def content_of(owner: str) -> dict[str, bytes]:
    """The same names on both sides, but for one that tells whose folder it is."""
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {owner}\n"
    return {
        "file": owner.encode(),
        f"{owner}.txt": owner.encode(),
        "values.yaml": f"owner: {owner}\n".encode(),
        "archive.zip": _zipped(owner),
        "Chart.yaml": CHART.encode(),
        "templates/map.yaml": manifest.encode(),
    }


@dataclass
class Race:
    """The folders of one test. `restore` brings back what an operation took away, whichever name the folder has now."""

    workspace: Path
    outside: Path
    folder: int

    def restore(self) -> None:
        for name, content in content_of("ours").items():
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)

    def made_inside(self) -> bytes:
        """What operations write into the workspace."""
        plain = [self.workspace / name for name in ("taken", "unpacked")]
        descriptor = os.open("values.yaml", os.O_RDONLY, dir_fd=self.folder)
        with os.fdopen(descriptor, "rb") as file:
            return b"\n".join([file.read(), *(path.read_bytes() for path in plain if path.is_file())])

    def held_outside(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.outside.rglob("*") if path.is_file()}


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    for root, owner in ((workspace / "folder", "ours"), (outside, "theirs")):
        for name, content in content_of(owner).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    (workspace / "link").symlink_to(outside)
    (workspace / "plain").write_text("ours")
    descriptor = os.open(workspace / "folder", os.O_RDONLY | os.O_DIRECTORY)
    yield Race(workspace, outside, descriptor)
    os.close(descriptor)


async def raced(race: Race, attempt: Callable[[], Awaitable[bytes]], seconds: float = SECONDS) -> None:
    """Attempt again and again; nothing of the outside may be in what comes out, nor may anything there change."""
    theirs = race.held_outside()
    done = 0
    with swapping(race.workspace / "folder", race.workspace / "link") as swaps:
        end = time.monotonic() + seconds
        while time.monotonic() < end or not done:
            assert time.monotonic() < end + 20 * SECONDS, "the operation was never let through"
            race.restore()
            try:
                shown = await attempt()
            except UnderstageError as refused:
                shown = refused.message.encode()
            else:
                done += 1
            assert b"theirs" not in shown + race.made_inside()
            assert race.held_outside() == theirs
    assert swaps[0] > 100


OPERATIONS: dict[str, tuple[Action[Any, Any], dict[str, Any]]] = {
    "read": (parse, {"path": "folder/file"}),
    "append": (append, {"path": "folder/file", "content": "more"}),
    "replace": (
        replace,
        {"files": [{"file": "folder/*", "find": "ours|theirs", "matchRegex": True, "replaceWith": "x"}]},
    ),
    "merge": (merge, {"path": "folder/values.yaml", "content": {"more": 1}}),
    "delete": (delete, {"files": ["folder/*.txt", "folder/file"]}),
    "rename out of it": (rename, {"files": [{"from": "folder/file", "to": "taken", "overwrite": True}]}),
    "rename into it": (rename, {"files": [{"from": "plain", "to": "folder/file", "overwrite": True}]}),
    "list": (readdir, {"paths": ["folder"], "recursive": True}),
    "log": (debug_log, {"listWorkspace": "with-contents"}),
    "zip": (zip, {"path": "folder", "outputPath": "packed.zip"}),
    "unzip": (unzip, {"path": "folder/archive.zip"}),
    "values": (render_values, {"chart": "folder", "baseValues": "folder/values.yaml", "targetPath": "folder/out.yaml"}),
}


def attempts(name: str, race: Race) -> Callable[[], Awaitable[bytes]]:
    action, input = OPERATIONS[name]

    async def attempt() -> bytes:
        (race.workspace / "plain").write_text("ours")
        result = await run_action(action, input, workspace=race.workspace)
        packed = race.workspace / "packed.zip"
        inside = b""
        if packed.exists():
            with zipfile.ZipFile(packed) as archive:
                inside = b"\n".join(name.encode() + archive.read(name) for name in archive.namelist())
        return "\n".join([str(result.output), *result.log]).encode() + inside

    return attempt


@pytest.mark.parametrize("name", OPERATIONS)
async def test_nothing_outside_is_seen_or_touched(name: str, race: Race) -> None:
    await raced(race, attempts(name, race))


# Before and after each of the first four looks: one swap, or one there and one back.
MOMENTS = [moments for number in (1, 2) for moments in combinations(range(8), number)]


@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_swaps_come_around_the_looks(name: str, race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst moments: just before a path is looked up, and just after. What reads and then writes meets two of them."""
    attempt = attempts(name, race)
    theirs = race.held_outside()
    resolve = Workspace.resolve
    for moments in MOMENTS:
        swaps: list[int] = []
        passed = count()

        def pass_moment(moments: tuple[int, ...] = moments, swaps: list[int] = swaps, passed: Any = passed) -> None:
            if (moment := next(passed)) in moments:
                exchange(race.workspace / "folder", race.workspace / "link")
                swaps.append(moment)

        def look(workspace: Workspace, relative: Any, pass_moment: Callable[[], None] = pass_moment) -> Path:
            pass_moment()
            try:
                return resolve(workspace, relative)
            finally:
                pass_moment()

        race.restore()
        with monkeypatch.context() as patched:
            patched.setattr(Workspace, "resolve", look)
            try:
                shown = await attempt()
            except UnderstageError as refused:
                shown = refused.message.encode()
        assert b"theirs" not in shown + race.made_inside(), moments
        assert race.held_outside() == theirs, moments
        if len(swaps) % 2:
            exchange(race.workspace / "folder", race.workspace / "link")


async def test_a_snapshot_holds_the_workspace_only(race: Race) -> None:
    async def attempt() -> bytes:
        # The link itself, and where it leads, is part of the workspace.
        return gzip.decompress(pack(race.workspace)).replace(os.fsencode(race.outside), b"")

    await raced(race, attempt, PROGRAM_SECONDS)


async def test_git_sees_the_folder_that_was_checked(race: Race, tmp_path: Path) -> None:
    git = GitRemotes(tmp_path / "state", locate=lambda url: tmp_path / url.removeprefix("http://git.example/"))
    context = make_context(race.workspace, ports=fake_ports(git=git))
    count = 0

    async def attempt() -> bytes:
        nonlocal count
        count += 1
        bare = tmp_path / f"{count}.git"
        await git.command.run("init", "--quiet", "--bare", "--template=", "--", str(bare))
        source = await source_folder(context, "folder")
        await push_folder(
            context, source, f"http://git.example/{count}.git",
            branch="main", message="x", author=GitAuthor("a", "a@example.com"), credentials=None, key=str(count),
        )  # fmt: skip
        return await git.command.run("ls-tree", "-r", "--name-only", "main", git_dir=bare)

    await raced(race, attempt, PROGRAM_SECONDS)


async def test_helm_sees_the_chart_that_was_checked(race: Race, helm_binary: Path) -> None:
    ports = fake_ports(helm=HelmBinary(str(helm_binary)))

    async def attempt() -> bytes:
        input = {"chart": "folder", "valueFiles": ["folder/values.yaml"], "targetPath": "manifests.yaml"}
        result = await run_action(template, input, workspace=race.workspace, ports=ports)
        return str(result.output).encode() + (race.workspace / "manifests.yaml").read_bytes()

    await raced(race, attempt, PROGRAM_SECONDS)
