"""kill -9 at every commit and every await of a task of six steps, with three replicas: what is done twice in the real world.

    make test-crash          # all kills, and the counts
    UNDERSTAGE_KILLS=40 …    # that many for each of the engines; the ordinary tests have a few

The leases are those of the service, for a busy machine must not make the living look dead; that of a task whose worker was killed
is made to lapse at once, unless the time of the takeover is looked at. Temporal has a timeout of its own, which stays as it is.

A task is run once without a kill and its commits and awaits are counted. Then tasks follow that die at each commit (before it
and after it) and at awaits spread over the whole task, as many as are asked for.

What is counted, in a bare git repository and a Kubernetes API server:

- a first commit, a second commit in a clone, an object with a name: each exactly once. The targets tell what they have.
- an object whose name the server makes up: at least once. Between the server's answer and the checkpoint that notes it, a crash
  leaves no trace of the request that anybody could look for; a POST without a key of the caller's is not idempotent, and no
  engine can make it so. It is counted how often that happened.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tests.cluster.bench import Cluster
from tests.crash.kill_worker import NAMESPACE, STEPS, Setup, bare, build
from tests.store.scaffolder_bench import lapse, spec_of

from understage.platform.database import Database
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.tasks.creation import NewTask
from understage.scaffolder.tasks.engine import EngineTimes
from understage.scaffolder.tasks.temporal_worker import TEMPORAL_SECONDS

ROOT = Path(__file__).parents[2]
SAMPLE = 4
REPLICAS = 3
STILL_SECONDS = 120
SHORTEST_LEASE = 3.0
TRIES = 5
RESUME_SECONDS = 10
FINAL = ("completed", "failed", "cancelled")
FILES = ["applied", "posted", "published", "pushed", "source"]


@dataclass
class Tally:
    """The counts of one run."""

    kills: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    resumed_after: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        after = sorted(self.resumed_after)
        resumed = f"{median(after):.1f} s in the middle, {after[-1]:.1f} s at worst" if after else "none"
        kills = ", ".join(f"{count} at {kind}s" for kind, count in sorted(self.kills.items()))
        effects = ", ".join(f"{name} {count}" for name, count in sorted(self.effects.items()))
        return f"{self.kills.total()} kills ({kills}); effects: {effects}; resumed after {resumed}"


class Replicas:
    """Worker processes; `keep` starts one for each that died."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._folder = folder
        file = folder / "setup.json"
        file.write_text(json.dumps(asdict(setup)))
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.kill_worker", str(file)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._known: set[Path] = set()
        self._asking = threading.Lock()

    def start(self) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write("start\n")
        return int(self._parent.stdout.readline())

    def keep(self) -> None:
        with self._asking:  # many tasks are watched at once
            for token in set((self._folder / "kills").glob("*.killed")) - self._known:
                self._known.add(token)
                self.start()

    def stop(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(30)
        self._parent.stdout.close()


class Suite:
    """Creates tasks that are to be killed, and counts what came of them. With `lapses` nobody waits for the end of a lease."""

    def __init__(
        self, service: ScaffolderService, replicas: Replicas, folder: Path, cluster: Cluster, *, lapses: bool
    ) -> None:
        self.tally = Tally()
        self._service = service
        self._lapses = lapses
        self._replicas = replicas
        self._folder = folder
        self._cluster = cluster

    async def run(self, kind: str = "", n: int = -1) -> str:
        """A task that dies once there, watched to its end; returns its id."""
        kill = {"kind": kind, "n": n} if kind else {}
        repository = str(uuid.uuid4())
        spec = spec_of(*STEPS, parameters={"kill": kill})
        for step in spec["steps"]:
            step["input"] = {"repository": repository}
        spec["output"] = {"files": "${{ steps.s6.output.files }}"}
        await asyncio.to_thread(_make_repository, bare(self._folder, repository))
        task_id = await self._service.submit(NewTask(spec, {}, "user:default/anna"))
        await self._watch(task_id)
        await self._count(task_id, repository, kind)
        return task_id

    async def _watch(self, task_id: str) -> None:
        """Till the task ends, however long a busy machine takes for it; but something must happen to it from time to time."""
        last, since, killed = None, time.monotonic(), False
        while (task := await self._service.get(task_id)).stored.status not in FINAL:
            await asyncio.sleep(0.1)
            await asyncio.to_thread(self._replicas.keep)
            events = await self._service.wait_for_events(task, after=last, seconds=0)
            dies = not killed and self.was_killed(task_id)
            if dies and self._lapses:
                await lapse(self._service._database, task_id)
            if events or dies:
                last, since, killed = events[-1]["id"] if events else last, time.monotonic(), killed or dies
            assert time.monotonic() - since < STILL_SECONDS, f"{task_id} is {task.stored.status} and stands still"

    def was_killed(self, task_id: str) -> bool:
        """Whether a worker died for the task."""
        return (self._folder / "kills" / f"{task_id}.killed").exists()

    async def _count(self, task_id: str, repository: str, kind: str) -> None:
        task = await self._service.get(task_id)
        events = await self._service.wait_for_events(task, after=None, seconds=0)
        token = self._folder / "kills" / f"{task_id}.killed"
        if token.exists():
            self.tally.kills[kind] += 1
            killed = float(token.read_text().split()[1])
            later = [datetime.fromisoformat(e["createdAt"]).timestamp() for e in events if e["type"] == "recovered"]
            if later and min(later) > killed:
                self.tally.resumed_after.append(min(later) - killed)
        messages = await asyncio.to_thread(self._commits, repository)
        named = self._objects(f"named={task_id}")
        posted = self._objects(f"posted={task_id}")
        found = {
            "first commits": messages.count("publish"),
            "second commits": messages.count("push"),
            "named objects": named,
            "posted objects": posted,
        }
        self.tally.effects.update(found)
        self.tally.effects["tasks"] += 1
        finished = [e["body"]["stepId"] for e in events if e["body"].get("status") == "completed"]
        ended = [e["type"] for e in events].count("completion")
        once = {name: count for name, count in found.items() if name != "posted objects"}
        output = events[-1]["body"].get("output")
        fine = (
            task.stored.status == "completed"
            and set(once.values()) == {1}
            and 1 <= posted <= 1 + [e["type"] for e in events].count("recovered")
            and [step for step in dict.fromkeys(finished)] == [f"s{number}" for number in range(1, 7)]
            and _finished_once(events)
            and ended == 1
            and output == {"files": FILES}
        )
        if not fine:
            self.tally.wrong.append(
                f"{kind} {task_id}: {task.stored.status} {found} {finished} {ended} {output} {events[-1]['body'].get('error')}"
            )

    def _commits(self, repository: str) -> list[str]:
        command = ["git", "-C", str(bare(self._folder, repository)), "log", "--all", "--format=%s"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    def _objects(self, selector: str) -> int:
        found = self._cluster.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector={selector}")
        assert found is not None
        return len(found["items"])

    def counts(self, task_id: str) -> dict[str, int]:
        """The commits and awaits of a task that was not killed."""
        counted: dict[str, int] = json.loads((self._folder / "kills" / f"{task_id}.counts").read_text())
        return counted


def _make_repository(path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)


def _finished_once(events: list[dict[str, Any]]) -> bool:
    finished = [e["body"]["message"] for e in events if str(e["body"].get("message")).startswith("Finished step")]
    return len(finished) == len(set(finished)) == len(STEPS)


def points(counted: dict[str, int], wanted: int) -> list[tuple[str, int]]:
    """Where to kill: all commits where there are enough kills for that, and awaits over the whole length of the task."""
    commits = _spread(counted["commit"], min(counted["commit"], wanted // 2))
    # No two runs have the same number of awaits, for timers are among them: see `_work_through`.
    awaits = _spread(int(counted["await"] * 0.9), wanted - len(commits))
    return [*[("commit", n) for n in commits], *[("await", n) for n in awaits]]


def _spread(length: int, wanted: int) -> list[int]:
    return [1 + (index * (length - 1)) // max(1, wanted - 1) for index in range(wanted)]


@asynccontextmanager
async def suite(
    setup: Setup, folder: Path, cluster: Cluster, replicas: int = REPLICAS, *, lapses: bool = True
) -> AsyncIterator[Suite]:
    for name in ("kills", "git"):
        (folder / name).mkdir(exist_ok=True)
    service = build(setup, limit=0)
    await service.start()
    workers = Replicas(setup, folder)
    try:
        for _ in range(replicas):
            await asyncio.to_thread(workers.start)
        yield Suite(service, workers, folder, cluster, lapses=lapses)
    finally:
        workers.stop()
        await service.stop()
        await service._database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "temporal"])
def where(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def setup(where: str, request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Setup:
    database: Database = request.getfixturevalue("postgres_database" if where == "postgresql" else "sqlite_database")
    address = request.getfixturevalue("temporal_server").address if where == "temporal" else ""
    url = database.url.render_as_string(hide_password=False)
    names = (url, str(tmp_path), address, uuid.uuid4().hex, cluster.url, cluster.admin_token)
    return Setup(*names, lease=_silence() if address else EngineTimes().lease)


def _silence() -> float:
    """Short, for each kill waits for its end; but where many share the processors, the living must get to be heard."""
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(SHORTEST_LEASE, busy + TEMPORAL_SECONDS), EngineTimes().lease)


@pytest.mark.timeout(3600)
async def test_what_is_done_is_done_once(where: str, setup: Setup, cluster: Cluster, tmp_path: Path) -> None:
    wanted = int(os.environ.get("UNDERSTAGE_KILLS", SAMPLE))
    began = time.monotonic()
    async with suite(setup, tmp_path, cluster) as running:
        counted = running.counts(await running.run())
        waiting = points(counted, wanted)
        async with asyncio.TaskGroup() as group:
            for _ in range(REPLICAS):
                group.create_task(_work_through(running, waiting))
    left = list((tmp_path / "scaffolder" / "snapshots").glob("*"))
    took = time.monotonic() - began
    print(
        f"\n{where}: a task has {counted['commit'] // 2} commits, {counted['await']} awaits; {running.tally}; {took:.0f} s"
    )
    assert running.tally.wrong == []
    assert running.tally.kills.total() == wanted
    assert left == [], "a task that completed leaves no snapshot behind"


async def _work_through(running: Suite, waiting: list[tuple[str, int]]) -> None:
    """Kill at each of the points. One past the end of its task is tried again, near the end of how long that task was."""
    while waiting:
        kind, n = waiting.pop()
        for _ in range(TRIES):
            task_id = await running.run(kind, n)
            if running.was_killed(task_id):
                break
            n = max(1, running.counts(task_id)[kind] * 9 // 10)


@pytest.mark.timeout(600)
async def test_another_replica_goes_on_within_ten_seconds(
    where: str, setup: Setup, cluster: Cluster, tmp_path: Path
) -> None:
    """With the times that the service has by itself, and to the end of the lease.

    There is a replica without a task for each that dies: no start of a process is part of what is measured.
    """
    async with suite(replace(setup, lease=0), tmp_path, cluster, 2 * REPLICAS, lapses=False) as running:
        await asyncio.gather(*[running.run("commit", n) for n in (3, 6, 9)])
    print(f"\n{where}, default leases: {running.tally}")
    assert running.tally.wrong == []
    assert running.tally.resumed_after
    assert max(running.tally.resumed_after) < RESUME_SECONDS
