"""All measurements of one contender in the order of its life: started, idle, ingesting, asked, left alone with unchanged files.

`measure` gives plain data, as the report and the store of earlier figures take it:

    {"ready": {"least": 1.2, "median": 1.3}, "idle": {...}, …, "writes": {"tables": {"refresh_state": [0, 10010, 0]}, …}}
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.databases import PostgresServer
from tests.perf import memory, writes
from tests.perf.latency import Figures, ask, growth, throughput
from tests.perf.questions import questions, total_components
from tests.perf.servers import Contender, Server, connected

IDLE_SECONDS = 10.0
# What the last batch left to the stitching, and the last of PostgreSQL's counts, which come up to ten seconds late.
SETTLE_SECONDS = 15.0
PATIENCE = 1800.0
# Asking how far it is may take a twentieth of the time; near the end, which must not be noticed late, a fifth.
SHARE, LAST_SHARE = 20, 5
NEAR = 0.8
POLL_SECONDS = 0.025
STOCK_INTERVAL = 150.0
LONGEST = 1.5  # both spread an interval of n seconds over n to 1.5 n


@dataclass(frozen=True)
class Plan:
    """What is measured, how often, and of how many components. `interval` is `catalog.processingInterval` in seconds, None for
    the default of both."""

    count: int
    rounds: int
    ingestions: int
    load_seconds: float
    interval: int | None = None


class Session:
    """Measures one contender by a plan; `say` tells people how far it is."""

    def __init__(
        self, contender: Contender, postgres: PostgresServer, catalog: Path, plan: Plan, say: Callable[[str], None]
    ) -> None:
        self._contender = contender
        self._postgres = postgres
        self._plan = plan
        self._say = say
        interval = {"processingInterval": {"seconds": plan.interval}} if plan.interval else {}
        self._config = {"catalog": {"locations": [{"type": "file", "target": str(catalog)}], **interval}}
        self._ready: list[float] = []

    def measure(self) -> dict[str, Any]:
        """Everything; takes minutes."""
        found: dict[str, Any] = {"idle": asdict(self._idle())}
        port = self._contender.new_place()
        found |= self._ingest(self._plan.ingestions - 1)
        with self._started(port, self._config) as server:
            found = _joined(found, self._ingestion(server))
            found["questions"] = self._questions(server)
            found["writes"] = self._unchanged(server)
        self._contender.drop(port)
        found["ready"] = asdict(Figures.of(self._ready))
        return _summed_up(found)

    @contextmanager
    def _started(self, port: int, config: Mapping[str, Any]) -> Iterator[Server]:
        with self._contender.running(port, config) as server:
            self._ready.append(server.ready_seconds)
            yield server

    def _idle(self) -> Figures:
        """Megabytes with the small catalog of the repository, ten seconds after the start."""
        values = []
        for _ in range(self._plan.rounds):
            port = self._contender.new_place()
            with self._started(port, {}) as server:
                time.sleep(IDLE_SECONDS)
                values.append(memory.resident(server.pid))
            self._contender.drop(port)
        self._say(f"idle: {min(values):.0f} MB")
        return Figures.of(values)

    def _ingest(self, times: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(times):
            port = self._contender.new_place()
            with self._started(port, self._config) as server:
                found = _joined(found, self._ingestion(server))
            self._contender.drop(port)
        return found

    def _ingestion(self, server: Server) -> dict[str, list[float]]:
        """Wait until all components can be seen: seconds since the launch and since readiness, and the highest memory."""
        seconds = visible_after(self._postgres, server, self._plan.count)
        self._say(f"{self._plan.count} components after {seconds:.1f} s")
        return {
            "ingest": [seconds],
            "ingest_ready": [seconds - server.ready_seconds],
            "ingest_peak": [memory.peak(server.pid)],
            "ingest_cpu": [memory.cpu_seconds(server.pid)],
        }

    def _questions(self, server: Server) -> dict[str, Any]:
        writes.wait_until_quiet(self._postgres, server.database, SETTLE_SECONDS)
        writes.analyze(self._postgres, server.database)
        found: dict[str, Any] = {}
        for question in questions(self._plan.count):
            rises = growth(server, question)
            times = ask(server, self._postgres.pid, question, self._plan.rounds)
            rates = [throughput(server, question, self._plan.load_seconds) for _ in range(self._plan.rounds)]
            best = Figures(max(rates), Figures.of(rates).median)
            with server.connect() as connection:
                answer = question.answer(connection)
            found[question.name] = {
                **asdict(times),
                "growth": rises,
                "throughput": asdict(best),
                "answer": answer,
            }
            self._say(f"{question.title}: {times.middle.least:.2f} ms, {best.least:.0f}/s of 8 connections")
        found["memory"] = memory.peak(server.pid)
        return found

    def _unchanged(self, server: Server) -> dict[str, Any]:
        """What is written while every entity's turn comes at least once and no file has changed."""
        interval = self._plan.interval
        window = (interval * LONGEST if interval else STOCK_INTERVAL) + SETTLE_SECONDS
        time.sleep(SETTLE_SECONDS)
        dues, processed = writes.schedule(self._postgres, server.database), _processed(server)
        before = writes.written(self._postgres, server.database)
        time.sleep(window)
        after = writes.written(self._postgres, server.database)
        later, counted = writes.schedule(self._postgres, server.database), _processed(server)
        moved = sum(1 for ref, due in dues.items() if later.get(ref) != due)
        tables = writes.difference(before, after)
        rows, schedules = writes.rows(tables)
        self._say(f"unchanged for {window:.0f} s: {rows} rows written, {schedules} of schedules: {tables}")
        return {
            "tables": tables,
            "rows": rows,
            "schedules": schedules,
            "seconds": window,
            "processed": moved if counted is None or processed is None else counted - processed,
            "entities": len(dues),
        }


def visible_after(postgres: PostgresServer, server: Server, count: int) -> float:
    """Seconds from the launch until a by-query request counts all the components; waits for that.

    Until that many entities are there the database is asked, which costs both servers little and the same; then the server is.
    """
    deadline = time.monotonic() + PATIENCE
    with connected(postgres, server.database) as database, server.connect() as connection:
        seen = 0
        while seen < count:
            began = time.monotonic()
            assert began < deadline, f"{server.name} has {seen} of {count} after {PATIENCE:.0f} s"
            [[seen]] = database.execute("SELECT count(*) FROM final_entities WHERE final_entity IS NOT NULL")
            share = SHARE if seen < NEAR * count else LAST_SHARE
            time.sleep(max(POLL_SECONDS, share * (time.monotonic() - began)))
        while total_components(connection) < count:
            assert time.monotonic() < deadline, f"{server.name} does not count {count} after {PATIENCE:.0f} s"
            time.sleep(POLL_SECONDS)
    return time.monotonic() - server.launched


def _processed(server: Server) -> int | None:
    """How many times an entity was processed so far, where the server tells."""
    answer = httpx.get(f"{server.url}/metrics", trust_env=False)
    if answer.status_code != 200:
        return None
    counts = re.findall(r"^catalog_processed_entities_count\S* ([\d.e+]+)$", answer.text, re.MULTILINE)
    return sum(int(float(count)) for count in counts)


def _joined(found: Mapping[str, Any], more: Mapping[str, list[float]]) -> dict[str, Any]:
    return {**found, **{name: [*found.get(name, []), *values] for name, values in more.items()}}


def _summed_up(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(Figures.of(value)) if isinstance(value, list) else value for name, value in found.items()}
