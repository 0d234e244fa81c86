"""Workspaces in an object store: what is kept where, what a crash leaves behind, and a store that is away."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sqlalchemy import text
from tests.store.scaffolder_bench import Script, fail, scaffolder

from understage.errors import InputError
from understage.platform.database import Database
from understage.scaffolder.object_snapshots import ObjectSnapshots, SnapshotStoreError, open_snapshots
from understage.scaffolder.steps.run import TaskRun
from understage.scaffolder.tasks import snapshots as snapshots_module
from understage.scaffolder.tasks.leftovers import collect_leftovers
from understage.scaffolder.workspace import FolderSnapshots, SnapshotStore

pytestmark = pytest.mark.usefixtures("task_engine")

BIG = b"".join(number.to_bytes(4, "little") for number in range(300_000))


@pytest.fixture(params=["memory", "local", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SnapshotStore]:
    if request.param == "folder":
        yield open_snapshots(f"file://{tmp_path}/store", {}, folder=tmp_path)
        return
    filesystem = fsspec.filesystem(request.param, **({"auto_mkdir": True} if request.param == "local" else {}))
    folder = f"/understage-test/{tmp_path.name}" if request.param == "memory" else f"{tmp_path}/store"
    yield ObjectSnapshots(filesystem, folder, f"{request.param}://{folder}")
    if request.param == "memory":
        filesystem.store.clear()


async def write(run: TaskRun) -> Mapping[str, Any]:
    (run.workspace / "big").write_bytes(BIG)
    return {}


async def test_a_store_keeps_lists_and_forgets(store: SnapshotStore) -> None:
    assert await store.names() == []
    await store.put("a-1-1", b"one")
    await store.put("a-1-2", b"two")
    await store.put("b-1-1", b"three")
    assert sorted(await store.names("a-")) == ["a-1-1", "a-1-2"]
    assert await store.get("a-1-2") == b"two"
    await store.delete("a-1-1")
    await store.delete("a-1-1")
    assert sorted(await store.names()) == ["a-1-2", "b-1-1"]
    with pytest.raises(FileNotFoundError):
        await store.get("a-1-1")


async def test_a_task_goes_on_with_the_workspace_that_the_store_has(
    database: Database, store: SnapshotStore, tmp_path: Path
) -> None:
    lucky: list[bool] = []

    async def read(run: TaskRun) -> Mapping[str, Any]:
        assert (run.workspace / "big").read_bytes() == BIG
        return {} if lucky else await fail(run)

    script = Script(write=write, read=read)
    async with scaffolder(database, tmp_path / "first", script, snapshots=store) as bench:
        task_id = await bench.create("write", "read")
        assert await bench.status(task_id) == "failed"
        [name] = await store.names(task_id)
        assert BIG[:1000] not in await store.get(name)
    lucky.append(True)
    # Another machine: nothing is shared but the database and the store.
    async with scaffolder(database, tmp_path / "second", script, snapshots=store) as bench:
        await bench.http.post(f"/v2/tasks/{task_id}/retry")
        assert await bench.status(task_id) == "completed"
    assert script.ran == [(task_id, "s1"), (task_id, "s2"), (task_id, "s2")]
    assert await store.names() == []


async def test_what_died_before_its_commit_is_collected(
    database: Database, store: SnapshotStore, tmp_path: Path
) -> None:
    async def check(run: TaskRun) -> Mapping[str, Any]:
        return await fail(run)

    async with scaffolder(database, tmp_path, Script(write=write, fail=check), snapshots=store) as bench:
        task_id = await bench.create("write", "fail")
        assert await bench.status(task_id) == "failed"
        [kept] = await store.names(task_id)
        await store.put(f"{task_id}-1-99", b"of a run that was killed between its snapshot and its commit")
        await store.put("00000000-0000-0000-0000-000000000000-1-1", b"of a task that is gone")
        async with database.write() as connection:
            await connection.execute(text("UPDATE tasks SET status = 'processing', lease_until = NULL"))
        assert await collect_leftovers(database, store) == 1, "a task under way is its run's business"
        async with database.write() as connection:
            await connection.execute(text("UPDATE tasks SET status = 'failed'"))
        assert await collect_leftovers(database, store) == 1
        assert await store.names() == [kept]


async def test_the_next_claim_deletes_what_the_one_before_left(
    database: Database, store: SnapshotStore, tmp_path: Path
) -> None:
    script = Script(write=write, fail=fail)
    async with scaffolder(database, tmp_path, script, snapshots=store) as bench:
        task_id = await bench.create("write", "fail")
        await bench.status(task_id)
        await store.put(f"{task_id}-1-99", b"half")
        await bench.http.post(f"/v2/tasks/{task_id}/retry")
        await bench.until(lambda: len(script.ran) == 3)
        await bench.status(task_id)
        assert len(await store.names(task_id)) == 1


async def read(run: TaskRun) -> Mapping[str, Any]:
    assert (run.workspace / "big").read_bytes() == BIG
    return {}


class Flaky(FolderSnapshots):
    """A store that is away for its first `failures` writes."""

    def __init__(self, folder: Path, failures: int) -> None:
        super().__init__(folder)
        self.failures = failures

    async def put(self, name: str, content: bytes) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise SnapshotStoreError("s3://bucket could not be used: EndpointConnectionError")
        await super().put(name, content)


async def test_a_store_that_is_away_for_a_while_costs_nothing(sqlite_database: Database, tmp_path: Path) -> None:
    store = Flaky(tmp_path / "store", 2)
    script = Script(write=write, read=read)
    async with scaffolder(sqlite_database, tmp_path, script, snapshots=store) as bench:
        task_id = await bench.create("write", "read")
        assert await bench.status(task_id) == "completed"
    assert script.ran == [(task_id, "s1"), (task_id, "s2")]
    assert store.failures == 0, "it was asked"


async def test_a_store_that_stays_away_fails_the_task(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots_module, "STORE_PATIENCE", 0.2)
    store = Flaky(tmp_path / "store", 10_000)
    async with scaffolder(sqlite_database, tmp_path, Script(write=write, read=read), snapshots=store) as bench:
        task_id = await bench.create("write", "read")
        assert await bench.status(task_id) == "failed"


async def test_nobody_needs_the_workspace_after_the_last_step(sqlite_database: Database, tmp_path: Path) -> None:
    store = Flaky(tmp_path / "store", 10_000)
    async with scaffolder(sqlite_database, tmp_path, Script(write=write), snapshots=store) as bench:
        task_id = await bench.create("write")
        assert await bench.status(task_id) == "completed"
        events = [(event["type"], event["body"].get("status")) for event in await bench.events(task_id)]
    assert events[-2:] == [("log", "completed"), ("completion", None)]
    assert store.failures == 10_000


async def test_a_workspace_that_is_gone_says_what_to_look_at(sqlite_database: Database, tmp_path: Path) -> None:
    store = FolderSnapshots(tmp_path / "store")
    async with scaffolder(sqlite_database, tmp_path, Script(write=write, fail=fail), snapshots=store) as bench:
        task_id = await bench.create("write", "fail")
        await bench.status(task_id)
        for name in await store.names():
            await store.delete(name)
        await bench.http.post(f"/v2/tasks/{task_id}/retry")
        assert await bench.status(task_id) == "failed"
        error = (await bench.events(task_id))[-1]["body"]["error"]
    assert "understage.tasks.workspaces.url" in error["message"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://x", "scheme 'memory': use file, s3, gs"),
        ("bucket/folder", "write scheme://bucket/folder"),
        ("s3://", "write scheme://bucket/folder"),
        ("s3://bucket/folder", r"pip install 'understage\[s3\]'"),
        ("gs://bucket/folder", r"pip install 'understage\[gs\]'"),
        ("abfs://container/folder", r"pip install 'understage\[abfs\]'"),
    ],
)
def test_an_address_that_keeps_nothing_is_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        open_snapshots(url, {}, folder=tmp_path)
