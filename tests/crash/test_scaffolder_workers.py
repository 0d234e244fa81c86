"""Workers that die, stall or stop in the middle of a task: another goes on, and no finished step runs twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.store.scaffolder_bench import Bench, Script, lapse, scaffolder

from understage.platform.database import Database
from understage.scaffolder.tasks.engine import EngineTimes

ROOT = Path(__file__).parents[2]


class Workers:
    """Worker processes on one database, and a service without a worker to create tasks with."""

    def __init__(self, database: Database, folder: Path, bench: Bench) -> None:
        self.bench = bench
        self._database = database
        self._folder = folder
        self._effects = folder / "effects"
        self._effects.touch()
        self._processes: list[subprocess.Popen[str]] = []

    async def start(self) -> subprocess.Popen[str]:
        """A worker that is ready."""
        number = len(self._processes)
        url = self._database.url.render_as_string(hide_password=False)
        process = await asyncio.to_thread(self._spawn, url, self._folder / f"worker-{number}.log")
        self._processes.append(process)
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n", self.log(number)
        return process

    def _spawn(self, url: str, log: Path) -> subprocess.Popen[str]:
        arguments = [url, str(self._folder / "data"), str(self._effects)]
        command = [sys.executable, "-m", "tests.crash.worker", *arguments]
        with log.open("w") as errors:
            return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)

    def effects(self) -> list[tuple[str, str, int, str]]:
        """(task, step, pid, begin or end), in the order in which they happened."""
        lines = [line.split() for line in self._effects.read_text().splitlines()]
        return [(task, step, int(pid), what) for task, step, pid, what in lines]

    async def until(self, step: str, what: str) -> None:
        """A step has got so far."""
        await self.bench.until(lambda: any(effect[1] == step and effect[3] == what for effect in self.effects()), 20)

    async def pair(self, step: str) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        """Of two workers the one that has begun a step, and the other."""
        await self.until(step, "begin")
        (pid,) = {pid for _, name, pid, what in self.effects() if name == step and what == "begin"}
        first, second = self._processes
        return (first, second) if first.pid == pid else (second, first)

    async def stall(self, process: subprocess.Popen[str]) -> None:
        """Stop a worker where it is, but for the middle of a write: with SQLite nobody can write until that one has ended."""
        for _ in range(100):
            process.send_signal(signal.SIGSTOP)
            try:
                async with asyncio.timeout(1), self._database.write() as connection:
                    await connection.execute(text("UPDATE tasks SET id = id"))
            except (DBAPIError, TimeoutError):
                process.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.01)
            else:
                return
        raise AssertionError("the worker writes all the time")

    async def lapse(self) -> None:
        """The lease of whoever died or stalled is past; who lives, renews."""
        await lapse(self._database)

    async def last_heartbeat(self, task_id: str) -> str:
        """When somebody last said that the task is theirs."""
        return str((await self.bench.task(task_id))["lastHeartbeatAt"])

    def log(self, number: int) -> str:
        return (self._folder / f"worker-{number}.log").read_text()

    def stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
async def workers(database: Database, tmp_path: Path) -> AsyncIterator[Workers]:
    async with scaffolder(database, tmp_path / "data", Script(), limit=0) as bench:
        workers = Workers(database, tmp_path, bench)
        try:
            yield workers
        finally:
            workers.stop()


def ended(workers: Workers) -> list[str]:
    return [effect[1] for effect in workers.effects() if effect[3] == "end"]


async def test_a_killed_worker_is_replaced_and_no_finished_step_repeats(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 5)
    first, second = await workers.pair("s3")
    first.kill()
    first.wait()
    await workers.lapse()
    assert await workers.bench.status(task_id, seconds=60) == "completed"
    effects = workers.effects()
    assert ended(workers) == ["s1", "s2", "s3", "s4", "s5"]
    assert Counter(step for _, step, _, what in effects if what == "begin") == {
        "s1": 1,
        "s2": 1,
        "s3": 2,
        "s4": 1,
        "s5": 1,
    }
    assert {pid for _, step, pid, what in effects if what == "end" and step > "s2"} == {second.pid}
    events = await workers.bench.events(task_id)
    assert [event["type"] for event in events].count("recovered") == 1
    # Each step saw the files of all steps before it: the workspace came along.
    assert events[-1]["body"]["output"]["s5"] == {"before": ["s1", "s2", "s3", "s4"]}


async def test_nobody_waits_for_the_lease_of_a_process_that_is_gone(workers: Workers) -> None:
    """Nothing lapses here: the lease would last for minutes."""
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 3)
    first, second = await workers.pair("s2")
    first.kill()  # its parent has not seen its end: that is one all the same
    began = time.monotonic()
    await workers.bench.until(lambda: any(pid == second.pid for _, _, pid, _ in workers.effects()), 60)
    print(f"\ncontinued after {time.monotonic() - began:.1f} s")
    assert await workers.bench.status(task_id, seconds=60) == "completed"
    assert ended(workers) == ["s1", "s2", "s3"]
    assert [event["type"] for event in await workers.bench.events(task_id)].count("recovered") == 1


async def test_a_stalled_worker_keeps_its_task_for_its_lease(workers: Workers) -> None:
    """It is silent for longer than it takes to look whether it is gone, and it is not."""
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 3)
    first, _ = await workers.pair("s2")
    await workers.stall(first)
    await asyncio.sleep(EngineTimes().silence + 2)
    assert {pid for _, _, pid, _ in workers.effects()} == {first.pid}
    first.send_signal(signal.SIGCONT)
    assert await workers.bench.status(task_id, seconds=60) == "completed"
    assert "recovered" not in [event["type"] for event in await workers.bench.events(task_id)]


async def test_a_stalled_worker_that_wakes_up_cannot_write(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 5)
    first, second = await workers.pair("s2")
    await workers.stall(first)
    await workers.lapse()
    await workers.bench.until(lambda: any(pid == second.pid for _, _, pid, _ in workers.effects()), 15)
    first.send_signal(signal.SIGCONT)
    assert await workers.bench.status(task_id, seconds=20) == "completed"
    await asyncio.sleep(1)
    events = await workers.bench.events(task_id)
    finished = [event["body"]["stepId"] for event in events if event["body"].get("status") == "completed"]
    assert finished == ["s1", "s2", "s3", "s4", "s5"]
    assert [event["type"] for event in events].count("completion") == 1
    # It had begun step 2 before it stalled; after that it began nothing.
    assert {step for _, step, pid, what in workers.effects() if pid == first.pid and what == "begin"} == {"s1", "s2"}
    assert first.poll() is None
    again = await workers.bench.create("step")
    assert await workers.bench.status(again) == "completed"


async def test_a_worker_that_is_stopped_hands_its_task_over_at_once(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 4)
    first, second = await workers.pair("s2")
    first.terminate()
    # Its lease would last for minutes.
    await workers.bench.until(lambda: any(pid == second.pid for _, _, pid, _ in workers.effects()), 30)
    assert await asyncio.to_thread(first.wait, 10) == 0
    assert await workers.bench.status(task_id) == "completed"
    assert ended(workers) == ["s1", "s2", "s3", "s4"]


async def test_the_next_start_continues_what_the_last_stop_left(workers: Workers) -> None:
    first = await workers.start()
    task_id = await workers.bench.create(*["step"] * 4)
    await workers.until("s2", "begin")
    first.terminate()
    assert await asyncio.to_thread(first.wait, 10) == 0
    assert (await workers.bench.task(task_id))["status"] == "processing"
    await workers.start()
    assert await workers.bench.status(task_id) == "completed"
    assert ended(workers) == ["s1", "s2", "s3", "s4"]


async def test_an_action_that_blocks_the_process_does_not_lose_its_task(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    task_id = await workers.bench.create("step", "block", "step")
    await workers.until("s2", "begin")
    heard = [await workers.last_heartbeat(task_id)]
    while len(heard) < 3 and not any(step == "s2" and what == "end" for _, step, _, what in workers.effects()):
        await asyncio.sleep(0.05)
        if (last := await workers.last_heartbeat(task_id)) != heard[-1]:
            heard.append(last)
    assert heard == sorted(heard)
    assert len(heard) == 3, "the lease is renewed while nothing else of the process moves"
    assert await workers.bench.status(task_id, seconds=60) == "completed"
    effects = workers.effects()
    assert [(step, what) for _, step, _, what in effects] == [
        (step, what) for step in ("s1", "s2", "s3") for what in ("begin", "end")
    ]
    assert len({pid for _, _, pid, _ in effects}) == 1
    assert "recovered" not in [event["type"] for event in await workers.bench.events(task_id)]


async def test_two_workers_never_run_the_same_task(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    ids = [await workers.bench.create("step", "step") for _ in range(12)]
    for task_id in ids:
        assert await workers.bench.status(task_id, seconds=30) == "completed"
    begun = Counter((task, step) for task, step, _, what in workers.effects() if what == "begin")
    assert begun == {(task_id, step): 1 for task_id in ids for step in ("s1", "s2")}


async def test_a_task_of_another_process_is_cancelled_within_a_second(workers: Workers) -> None:
    await workers.start()
    task_id = await workers.bench.create(*["step"] * 30)
    await workers.until("s2", "begin")
    began = time.monotonic()
    await workers.bench.http.post(f"/v2/tasks/{task_id}/cancel")
    assert await workers.bench.status(task_id) == "failed"
    assert time.monotonic() - began < 1.5
    steps = len(workers.effects())
    await asyncio.sleep(1)
    assert len(workers.effects()) == steps
    assert os.getpid() not in {pid for _, _, pid, _ in workers.effects()}


async def test_events_of_another_process_reach_readers_soon(workers: Workers, database: Database) -> None:
    await workers.start()
    task = await workers.bench.service.get(await workers.bench.create(*["step"] * 4))
    delays: list[float] = []
    async for batch in workers.bench.service.follow_events(task, after=None, pause=15):
        now = datetime.now(UTC)
        delays += [(now - datetime.fromisoformat(event["createdAt"])).total_seconds() for event in batch]
    assert len(delays) == 10
    # PostgreSQL announces them; on SQLite the reader asks once a second.
    assert max(delays) < (0.7 if database.dialect == "postgresql" else 1.7)


async def test_a_task_gets_through_many_deaths(workers: Workers) -> None:
    task_id = await workers.bench.create(*["step"] * 8)
    moments = random.Random(1)
    for _ in range(5):
        worker = await workers.start()
        await asyncio.sleep(moments.uniform(0.3, 1.6))
        worker.kill()
        worker.wait()
        await workers.lapse()
    await workers.start()
    assert await workers.bench.status(task_id, seconds=60) == "completed"
    events = await workers.bench.events(task_id)
    finished = [event["body"]["stepId"] for event in events if event["body"].get("status") == "completed"]
    assert finished == [f"s{number}" for number in range(1, 9)]
    assert events[-1]["body"]["output"]["s8"] == {"before": [f"s{number}" for number in range(1, 8)]}
