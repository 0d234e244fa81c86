"""fs:delete, fs:rename, fs:readdir, debug:log, debug:wait."""

import asyncio
from pathlib import Path

import pytest

from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.sdk.testing import run_action
from understage_actions.debug_log import debug_log
from understage_actions.debug_wait import debug_wait
from understage_actions.fs_delete import delete
from understage_actions.fs_readdir import readdir
from understage_actions.fs_rename import rename


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    (path / "docs" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.bak", ".env", "docs/c.bak", "docs/deep/d.txt"):
        (path / name).write_text(name)
    (tmp_path / "outside.txt").write_text("outside")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    ("files", "left"),
    [
        (["a.txt", "absent"], [".env", "b.bak", "docs/c.bak", "docs/deep/d.txt"]),
        (["**/*.bak"], [".env", "a.txt", "docs/deep/d.txt"]),
        (["docs"], [".env", "a.txt", "b.bak"]),
        (["docs/"], [".env", "a.txt", "b.bak"]),
        (["*"], [".env"]),
        (["./a.txt"], [".env", "b.bak", "docs/c.bak", "docs/deep/d.txt"]),
        (["."], [".env", "a.txt", "b.bak", "docs/c.bak", "docs/deep/d.txt"]),
        ([], [".env", "a.txt", "b.bak", "docs/c.bak", "docs/deep/d.txt"]),
    ],
)
async def test_delete(workspace: Path, files: list[str], left: list[str]) -> None:
    await run_action(delete, {"files": files}, workspace=workspace)
    assert names(workspace) == left
    assert (workspace / "docs" / "deep").is_dir()


async def test_delete_says_what_it_deleted_and_removes_links_not_their_targets(workspace: Path, tmp_path: Path) -> None:
    (workspace / "link").symlink_to(tmp_path / "outside.txt")
    (workspace / "dir").symlink_to(tmp_path)
    result = await run_action(delete, {"files": ["a.txt"]}, workspace=workspace, dry_run=True)
    assert result.log == [f"File {workspace}/a.txt deleted successfully"]
    await run_action(delete, {"files": ["l*", "d*"]}, workspace=workspace)
    assert not (workspace / "link").is_symlink()
    assert (tmp_path / "outside.txt").read_text() == "outside"


@pytest.mark.parametrize("pattern", ["../outside.txt", "../*", "/etc/*", "docs/../../*", "a\0", "way-out/*"])
async def test_delete_stays_inside(workspace: Path, tmp_path: Path, pattern: str) -> None:
    (workspace / "way-out").symlink_to(tmp_path)
    with pytest.raises(NotAllowedError):
        await run_action(delete, {"files": [pattern]}, workspace=workspace)
    assert (tmp_path / "outside.txt").exists()


async def test_rename_moves_files_and_folders(workspace: Path) -> None:
    files = [{"from": "a.txt", "to": "new/x.txt"}, {"from": "docs", "to": "guide"}]
    result = await run_action(rename, {"files": files}, workspace=workspace)
    assert names(workspace) == [".env", "b.bak", "guide/c.bak", "guide/deep/d.txt", "new/x.txt"]
    assert result.log[0] == f"File {workspace}/a.txt renamed to {workspace}/new/x.txt successfully"


async def test_rename_overwrites_only_when_asked(workspace: Path) -> None:
    with pytest.raises(ConflictError, match="dest already exists"):
        await run_action(rename, {"files": [{"from": "a.txt", "to": "b.bak"}]}, workspace=workspace)
    assert (workspace / "b.bak").read_text() == "b.bak"
    await run_action(rename, {"files": [{"from": "a.txt", "to": "b.bak", "overwrite": True}]}, workspace=workspace)
    assert (workspace / "b.bak").read_text() == "a.txt"


@pytest.mark.parametrize(
    ("source", "to", "error"),
    [
        ("../outside.txt", "x", NotAllowedError),
        ("a.txt", "../x", NotAllowedError),
        ("a.txt", "/x", NotAllowedError),
        ("a.txt", "link/x", NotAllowedError),
        ("absent", "x", NotFoundError),
        (".", "x", InputError),
        ("docs", "docs/deep/docs", InputError),
        ("docs/deep", "docs", InputError),
    ],
)
async def test_rename_refuses(workspace: Path, tmp_path: Path, source: str, to: str, error: type[Exception]) -> None:
    (workspace / "link").symlink_to(tmp_path)
    before = names(workspace)
    with pytest.raises(error):
        await run_action(rename, {"files": [{"from": source, "to": to, "overwrite": True}]}, workspace=workspace)
    assert names(workspace) == before


async def test_rename_needs_both_names(workspace: Path) -> None:
    with pytest.raises(InputError, match=r"files\.0\.to: Field required"):
        await run_action(rename, {"files": [{"from": "a.txt"}]}, workspace=workspace)


async def test_readdir(workspace: Path) -> None:
    result = await run_action(readdir, {"paths": ["docs"]}, workspace=workspace)
    assert result.output == {
        "files": [{"name": "c.bak", "path": "docs/c.bak", "fullPath": f"{workspace}/docs/c.bak"}],
        "folders": [{"name": "deep", "path": "docs/deep", "fullPath": f"{workspace}/docs/deep"}],
    }
    deep = await run_action(readdir, {"paths": ["docs"], "recursive": True}, workspace=workspace)
    assert [file["path"] for file in deep.output["files"]] == ["docs/c.bak", "docs/deep/d.txt"]
    with pytest.raises(NotFoundError, match="no directory"):
        await run_action(readdir, {"paths": ["a.txt"]}, workspace=workspace)
    with pytest.raises(InputError, match="paths"):
        await run_action(readdir, {"paths": [""]}, workspace=workspace)
    with pytest.raises(NotAllowedError):
        await run_action(readdir, {"paths": [".."]}, workspace=workspace)


async def test_debug_log(workspace: Path) -> None:
    result = await run_action(debug_log, {"message": "Hello s3cret"}, workspace=workspace, secrets={"t": "s3cret"})
    assert result.log == ['{\n  "message": "Hello ***"\n}', "Hello ***"]
    listed = await run_action(debug_log, {"listWorkspace": True}, workspace=workspace)
    assert listed.log[-1] == ("Workspace:\n  - .env\n  - a.txt\n  - b.bak\n  - docs/c.bak\n  - docs/deep/d.txt")


async def test_debug_log_shows_contents_but_not_what_links_lead_to(workspace: Path, tmp_path: Path) -> None:
    (workspace / "link").symlink_to(tmp_path / "outside.txt")
    (workspace / "binary").write_bytes(b"\0\1")
    (workspace / "big").write_text("x" * 100_000)
    text = (await run_action(debug_log, {"listWorkspace": "with-contents"}, workspace=workspace)).log[-1]
    assert " - docs/c.bak:\n\n  docs/c.bak" in text
    assert "  (2 bytes, binary)" in text
    assert f"  - link -> {tmp_path}/outside.txt" in text
    assert "\n  outside" not in text
    assert len(text) < 70_000


async def test_debug_wait(workspace: Path) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await run_action(debug_wait, {"milliseconds": 30, "seconds": 0.02}, workspace=workspace)
    assert 0.045 <= loop.time() - start < 5
    for too_long in ({"minutes": 11}, {"minutes": 10, "seconds": 1}):
        with pytest.raises(InputError, match="longer than the maximum threshold of 0 hours, 10 minutes, 0 seconds"):
            await run_action(debug_wait, too_long, workspace=workspace)
    with pytest.raises(InputError, match="seconds"):
        await run_action(debug_wait, {"seconds": -1}, workspace=workspace)
