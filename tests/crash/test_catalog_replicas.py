"""Three replicas of the catalog on one PostgreSQL: they share the work, never have one entity twice, and none is missed."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.perf.entities import write_catalog
from tests.store import catalog_bench

from understage.catalog.store.stitch_queue import count_stitches
from understage.platform.database import Database

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
# More than two replicas claim at once: two thousand each, which take them some seconds.
COMPONENTS = 5000
PER_FILE = 250
REPLICAS = 3
DEADLINE = 180.0
# No entity's turn comes twice in a test: what a killed replica leaves behind is taken over because its claims end.
INTERVAL = 3600.0
ENDS = ("end", "broken")


@dataclass
class Replicas:
    """The replicas' processes and what they noted."""

    database: Database
    location: Path
    notes: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """Start all of them, and have them begin when each is ready: the first could take all the work."""
        url = self.database.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.crash.catalog_worker", url, str(self.location), str(self.notes)]
        for number in range(REPLICAS):
            with self.notes.with_name(f"replica-{number}.log").open("w") as log:
                self.processes.append(
                    subprocess.Popen(
                        [*command, str(INTERVAL)],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                    )
                )
        for number, process in enumerate(self.processes):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", self.log(number)
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()

    def log(self, number: int) -> str:
        return self.notes.with_name(f"replica-{number}.log").read_text()

    def noted(self) -> list[tuple[str, int, str]]:
        """(reference, pid, begin, end, broken or killed) in the order in which they happened."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(ref, int(pid), what) for ref, pid, what in map(str.split, lines)]

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a replica without a warning, and note when that was."""
        process.kill()
        process.wait()
        with self.notes.open("a") as notes:
            notes.write(f"all {process.pid} killed\n")

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """What `condition` says as soon as that is true."""
        deadline = time.monotonic() + DEADLINE
        while not (found := condition()) or (asyncio.iscoroutine(found) and not await found):
            assert time.monotonic() < deadline, f"{what}\n" + "\n".join(self.log(n) for n in range(REPLICAS))
            await asyncio.sleep(0.1)
        return found

    async def is_done(self) -> bool:
        """Whether everything is served and nothing waits to be stitched."""
        async with self.database.read() as connection:
            served, states = [
                (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
                for table in ("final_entities", "refresh_state")
            ]
            return await count_stitches(connection) == 0 and served == states >= COMPONENTS

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
async def replicas(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replicas]:
    monkeypatch.setattr(catalog_bench, "DEADLINE", DEADLINE)
    location = write_catalog(tmp_path / "catalog", COMPONENTS, per_file=PER_FILE)
    replicas = Replicas(postgres_database, location, tmp_path / "notes")
    try:
        yield replicas
    finally:
        await asyncio.to_thread(replicas.stop)


async def test_replicas_share_the_work(replicas: Replicas, sqlite_database: Database) -> None:
    await asyncio.to_thread(replicas.start)
    await replicas.until(replicas.is_done, "not everything is served")
    shares = Counter(pid for ref, pid, what in replicas.noted() if what == "end" and ref.startswith("component:"))
    assert set(shares) == {process.pid for process in replicas.processes}
    assert overlaps(replicas.noted()) == []
    assert shares.total() == COMPONENTS
    assert await served(replicas.database) == await alone(sqlite_database, replicas.location)


async def test_a_killed_replica_loses_nothing(replicas: Replicas, sqlite_database: Database) -> None:
    await asyncio.to_thread(replicas.start)
    victim = await replicas.until(lambda: in_the_middle(replicas), "no replica got work")
    await asyncio.to_thread(replicas.kill, victim)
    assert not await replicas.is_done()
    interrupted = under_way(replicas.noted(), victim.pid)
    assert interrupted
    await replicas.until(replicas.is_done, "not everything is served")
    finished = {ref for ref, pid, what in replicas.noted() if what == "end" and pid != victim.pid}
    assert interrupted <= finished
    assert overlaps(replicas.noted()) == []
    assert await served(replicas.database) == await alone(sqlite_database, replicas.location)


def test_overlaps_are_seen() -> None:
    fine = [("a", 1, "begin"), ("b", 2, "begin"), ("a", 1, "end"), ("a", 2, "begin")]
    assert overlaps(fine) == []
    assert overlaps([*fine, ("a", 1, "begin")]) == ["a: 1 began while 2 had it"]
    assert overlaps([*fine, ("all", 2, "killed"), ("a", 1, "begin")]) == []


def in_the_middle(replicas: Replicas) -> subprocess.Popen[str] | None:
    """The first replica that has done much and is doing more. A busy machine may leave some of them without work."""
    noted = replicas.noted()
    ended = Counter(pid for ref, pid, what in noted if what == "end" and ref.startswith("component:"))
    return next((one for one in replicas.processes if ended[one.pid] > 50 and under_way(noted, one.pid)), None)


def under_way(noted: Iterable[tuple[str, int, str]], pid: int) -> set[str]:
    """What this replica has begun and not ended."""
    open_refs: set[str] = set()
    for ref, one, what in noted:
        if one == pid and what == "begin":
            open_refs.add(ref)
        elif one == pid and what in ENDS:
            open_refs.discard(ref)
    return open_refs


def overlaps(noted: Iterable[tuple[str, int, str]]) -> list[str]:
    """Each time one began with what another had."""
    found = []
    holders: dict[str, set[int]] = defaultdict(set)
    for ref, pid, what in noted:
        if what == "killed":
            for pids in holders.values():
                pids.discard(pid)
        elif what in ENDS:
            holders[ref].discard(pid)
        else:
            found += [f"{ref}: {pid} began while {other} had it" for other in holders[ref]]
            holders[ref].add(pid)
    return found


async def alone(database: Database, location: Path) -> dict[str, Any]:
    """What a single replica serves of the same files."""
    locations = [{"type": "file", "target": str(location)}]
    async with catalog_bench.running(database, location.parent, locations=locations):
        return await served(database)


async def served(database: Database) -> dict[str, Any]:
    """Entities and what is indexed of each, by reference, without what is drawn by lot."""
    found: dict[str, Any] = {}
    async with database.read() as connection:
        for ref, final in await connection.execute(text("SELECT entity_ref, final_entity FROM final_entities")):
            entity = json.loads(final)
            for name in ("uid", "etag"):
                entity["metadata"].pop(name)
            found[ref] = {"entity": entity, "index": set()}
        rows = await connection.execute(
            text(
                "SELECT entity_ref, key, value FROM search JOIN final_entities USING (entity_id) WHERE key <> 'metadata.uid'"
            )
        )
        for ref, key, value in rows:
            if key != "metadata.etag":
                found[ref]["index"].add((key, value))
    return found
