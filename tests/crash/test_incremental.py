"""kill -9 in the middle of a burst: another replica, or the next start, goes on from the last mark, and nothing is lost."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.crash.incremental_worker import HELD_PAGE, PAGES, PER_PAGE

from understage.platform.database import Database

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0


class Replicas:
    """Processes that ingest the same source into the same database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._effects = folder / "effects"
        self._effects.touch()
        self._processes: list[subprocess.Popen[str]] = []

    async def start(self) -> subprocess.Popen[str]:
        url = self._database.url.render_as_string(hide_password=False)
        log = self._folder / f"replica-{len(self._processes)}.log"
        process = await asyncio.to_thread(self._spawn, url, log)
        self._processes.append(process)
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n", log.read_text()
        return process

    def _spawn(self, url: str, log: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.crash.incremental_worker", url, str(self._effects)]
        with log.open("w") as errors:
            return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)

    def hold(self, *, still: bool) -> None:
        """Let the source stand still at its held page, or go on."""
        mark = self._effects.with_name("hold")
        if still:
            mark.touch()
        else:
            mark.unlink()

    def asked(self) -> list[tuple[int, int]]:
        """(process, page), in the order in which pages were begun."""
        lines = self._effects.read_text().splitlines()
        return [(int(pid), int(page)) for pid, page in (line.split() for line in lines)]

    async def until_page(self, page: int) -> int:
        """A page has been begun; returns by which process."""
        deadline = time.monotonic() + DEADLINE
        while not (found := [pid for pid, number in self.asked() if number == page]):
            assert time.monotonic() < deadline, self.asked()
            await asyncio.sleep(0.02)
        return found[0]

    async def value(self, query: str) -> object:
        async with self._database.read() as connection:
            return (await connection.execute(text(query))).scalar()

    async def until_resting(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while await self.value("SELECT status FROM ingestions") != "resting":
            assert time.monotonic() < deadline, self.asked()
            await asyncio.sleep(0.1)

    def process(self, pid: int) -> subprocess.Popen[str]:
        (found,) = [process for process in self._processes if process.pid == pid]
        return found

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def replicas(database: Database, tmp_path: Path) -> Iterator[Replicas]:
    replicas = Replicas(database, tmp_path)
    yield replicas
    replicas.stop()


async def check_whole(replicas: Replicas, *, kills: int = 1) -> None:
    """All pages are in, each by one mark, in order."""
    await replicas.until_resting()
    assert await replicas.value("SELECT count(*) FROM ingestion_marks") == PAGES
    assert await replicas.value("SELECT max(sequence) FROM ingestion_marks") == PAGES - 1
    assert await replicas.value("SELECT count(*) FROM refresh_state") == PAGES * PER_PAGE
    assert await replicas.value("SELECT count(*) FROM refresh_state_references") == PAGES * PER_PAGE
    assert await replicas.value("SELECT count(*) FROM ingestions") == 1
    twice = {page for page, count in Counter(page for _, page in replicas.asked()).items() if count > 1}
    assert len(twice) <= kills, "only a page that was under way when its process was killed is asked for again"


async def test_another_replica_goes_on_where_the_killed_one_was(replicas: Replicas) -> None:
    replicas.hold(still=True)
    await replicas.start()
    await replicas.start()
    first = await replicas.until_page(HELD_PAGE)
    assert await replicas.value("SELECT count(*) FROM ingestion_marks") == HELD_PAGE
    replicas.process(first).kill()
    replicas.hold(still=False)
    await check_whole(replicas)
    # One at a time: the other asked for nothing before the first was dead, and began with what that one had begun.
    asked = replicas.asked()
    assert [page for pid, page in asked if pid == first] == list(range(HELD_PAGE + 1))
    assert [page for pid, page in asked if pid != first] == list(range(HELD_PAGE, PAGES))


async def test_the_next_start_goes_on_where_the_killed_one_was(replicas: Replicas) -> None:
    for page in (7, 20, 33):
        process = await replicas.start()
        await replicas.until_page(page)
        process.kill()
        process.wait()
    await replicas.start()
    await check_whole(replicas, kills=3)
    assert len({pid for pid, _ in replicas.asked()}) == 4
