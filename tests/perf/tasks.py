"""`make bench-tasks`: tasks and their event streams, the stock scaffolder and Understage on the same PostgreSQL.

One-step tasks one after the other, each from its POST to the completion in its stream; 50 tasks at once, of 50 clients as
people are, and of one client that posts them one after the other; tasks that render a skeleton of 200 files of a kilobyte, which
lies beside the template; then, Understage alone, 1 000 streams that wait while another
task runs, the memory of the service meanwhile, and how late its events arrive.
The lag is from the time that the event itself tells to its arrival here, on one machine with one clock.
"""

import argparse
import contextlib
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml
from tests.cluster.bench.process import BenchError
from tests.contract.installation import Installation, install, lacking
from tests.databases import PostgresServer, postgres_binary
from tests.perf import memory
from tests.perf.machine import describe
from tests.perf.node import locked_node
from tests.perf.page import write_section
from tests.perf.report import Row, table
from tests.perf.servers import Contender, Server

TASKS = "/api/scaffolder/v2/tasks"
PATIENCE = 300.0
TOGETHER = 50
FILES = 200
STREAMS = 1_000
# Each line of the chatting task is an event of its own: 40 steps, four events each.
STEPS = 40
PAUSE = 0.05
STREAM_MEGABYTES = 300.0
LAG_MILLISECONDS = 50.0
Figures = dict[str, tuple[float, float]]


def template(name: str, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A Template entity."""
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": name},
        "spec": {"type": "service", "owner": "guest", "steps": list(steps)},
    }


TEMPLATES = (
    template("one-step", [{"id": "log", "action": "debug:log", "input": {"message": "hello"}}]),
    template("chatter", [{"action": "debug:wait", "input": {"seconds": PAUSE}} for _ in range(STEPS)]),
    template(
        "skeleton",
        [
            {
                "id": "fetch",
                "action": "fetch:template",
                "input": {"url": "./skeleton", "values": {"name": "web", "on": True}},
            }
        ],
    ),
    template("silence", [{"id": "wait", "action": "debug:wait", "input": {"minutes": 9}}]),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every target holds."""
    parser = argparse.ArgumentParser(prog="make bench-tasks")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of one-step tasks, and of many at once")
    parser.add_argument("--streams", type=int, default=STREAMS, help="how many wait")
    parser.add_argument("--only", choices=("ours", "stock"), help="measure one of them")
    parser.add_argument("--node", type=Path, help="the binary that runs the stock backend; default: of the lock file")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md; needs both columns")
    options = parser.parse_args(arguments)
    missing = None if options.only == "ours" else lacking()
    node = options.node or locked_node()
    if missing or (node is None and options.only != "ours"):
        print(
            missing or "The Node of the lock file is missing: use `make bench-tasks`, or `uv sync --group bench` before"
        )
        return 2
    installation = None if options.only == "ours" or node is None else install(node)
    about = describe(installation)
    stock = None if installation is None else _measured(installation, options.rounds, None)
    ours = None if options.only == "stock" else _measured(None, options.rounds, options.streams)
    found = rows(stock, ours, options.streams)
    text = "\n\n".join(
        [
            "## Tasks and their event streams, beside the stock scaffolder",
            "\n".join(f"- {name}: {value}" for name, value in about.items()),
            table(found),
        ]
    )
    print(text, flush=True)
    if options.write and stock is not None and ours is not None:
        write_section("bench-tasks", text)
    missed = [row.title for row in found if row.holds is False]
    if missed:
        print("missed: " + "; ".join(missed))
    return 1 if missed else 0


def rows(stock: Figures | None, ours: Figures | None, streams: int) -> list[Row]:
    """The table; either column may be missing."""

    def pair(name: str) -> dict[str, tuple[float, float] | None]:
        return {"stock": (stock or {}).get(name), "ours": (ours or {}).get(name)}

    return [
        Row("a task of one step, from POST to `completed`", "ms", **pair("one"), factor=2.0),
        Row(f"{TOGETHER} of them at once, until the last is completed", "ms", **pair("many"), factor=3.0),
        Row("the same, processor time", "ms", **pair("many_cpu")),
        Row(f"{TOGETHER} of them, posted one after the other", "ms", **pair("row")),
        Row("the same, processor time", "ms", **pair("row_cpu")),
        Row(f"`fetch:template` of {FILES} files, from POST to `completed`", "ms", **pair("fetch"), factor=4.0),
        Row(f"memory with {streams} waiting event streams", "MB", **pair("streams"), limit=STREAM_MEGABYTES),
        Row("lag of events meanwhile, 95th percentile", "ms", **pair("lag"), limit=LAG_MILLISECONDS),
    ]


def _measured(installation: Installation | None, rounds: int, streams: int | None) -> Figures:
    initdb, binary = postgres_binary("initdb"), postgres_binary("postgres")
    assert initdb is not None
    assert binary is not None
    postgres = PostgresServer(initdb, binary, durable=True)
    try:
        with tempfile.TemporaryDirectory(prefix="understage-bench-") as scratch:
            folder = Path(scratch)
            file = folder / "templates.yaml"
            file.write_text(yaml.safe_dump_all(TEMPLATES))
            _write_skeleton(folder / "skeleton")
            location = {"type": "file", "target": str(file), "rules": [{"allow": ["Template"]}]}
            contender = Contender(postgres, folder, installation)
            with contender.running(contender.new_place(), {"catalog": {"locations": [location]}}) as server:
                return _figures(server, rounds, streams)
    finally:
        postgres.stop()


def _write_skeleton(folder: Path) -> None:
    rendered = "".join(f"line {number} of ${{{{ values.name }}}}\n" for number in range(10))
    text = rendered + "{% if values.on %}on{% else %}off{% endif %}\n" + 10 * f"{'nothing to render ':64}\n"
    for number in range(FILES):
        file = folder / f"folder{number % 20}" / f"file{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _figures(server: Server, rounds: int, streams: int | None) -> Figures:
    _wait_for_templates(server)
    for _ in range(3):
        for name in ("one-step", "skeleton"):
            _run(server, name)  # nothing is measured while it is new
    one = [1000 * _run(server, "one-step") for _ in range(5 * rounds)]
    fetch = [1000 * _run(server, "skeleton") for _ in range(2 * rounds)]
    found: Figures = {"one": (min(one), median(one)), "fetch": (min(fetch), median(fetch))}
    for name, post in (("many", _post_at_once), ("row", _post_in_a_row)):
        times, cpu = [], []
        for _ in range(rounds):
            before = memory.cpu_seconds(server.pid)
            times.append(1000 * _many(server, post))
            cpu.append(1000 * (memory.cpu_seconds(server.pid) - before))
        found |= {name: (min(times), median(times)), f"{name}_cpu": (min(cpu), median(cpu))}
    if streams is not None:
        found |= _with_streams(server, streams, rounds)
    return found


def _wait_for_templates(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    with server.connect() as connection:
        for one in TEMPLATES:
            path = f"/api/scaffolder/v2/templates/default/template/{one['metadata']['name']}/parameter-schema"
            while connection.exchange(connection.request_bytes("GET", path)).status != 200:
                if time.monotonic() > deadline:
                    raise BenchError(f"{server.name} does not ingest the templates\n{server.process.last_lines()}")
                time.sleep(0.2)


def _create(server: Server, name: str, connection: Any) -> str:
    body = {"templateRef": f"template:default/{name}", "values": {}}
    reply = connection.exchange(connection.request_bytes("POST", TASKS, body), keep=True)
    assert reply.status == 201, reply.text[:300]
    return str(orjson.loads(reply.body)["id"])


def _run(server: Server, name: str) -> float:
    """Seconds from the POST to the completion."""
    with server.connect() as connection:
        began = time.perf_counter()
        task = _create(server, name, connection)
        for event in follow(server, task):
            if event["type"] == "completion":
                assert "output" in event["body"], event
                return time.perf_counter() - began
    raise BenchError("a stream ended before its task")


def _post_at_once(server: Server) -> None:
    """Each by a client of its own."""

    def post(_number: int) -> None:
        with server.connect() as connection:
            _create(server, "one-step", connection)

    with ThreadPoolExecutor(TOGETHER) as clients:
        list(clients.map(post, range(TOGETHER)))


def _post_in_a_row(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(TOGETHER):
            _create(server, "one-step", connection)


def _many(server: Server, post: Callable[[Server], None]) -> float:
    """Seconds from the first POST until the last of the tasks is completed."""
    with server.connect() as connection:
        count = connection.request_bytes("GET", f"{TASKS}?status=completed&limit=0")
        before = orjson.loads(connection.exchange(count, keep=True).body)["totalTasks"]
        began = time.perf_counter()
        post(server)
        while orjson.loads(connection.exchange(count, keep=True).body)["totalTasks"] < before + TOGETHER:
            if time.perf_counter() - began > PATIENCE:
                raise BenchError(f"tasks of {server.name} do not end\n{server.process.last_lines()}")
            time.sleep(0.02)
        return time.perf_counter() - began


def _with_streams(server: Server, count: int, rounds: int) -> Figures:
    """Memory while `count` streams wait for a silent task, and the lag of a task that chats meanwhile."""
    lags = []
    with server.connect() as connection, contextlib.ExitStack() as opened:
        silent = _create(server, "silence", connection)
        for _ in range(count):
            opened.enter_context(_waiting(server, silent))
        time.sleep(1)
        resident = memory.resident(server.pid)
        for _ in range(rounds):
            task = _create(server, "chatter", connection)
            late = [1000 * (time.time() - _time_of(event)) for event in follow(server, task)]
            lags.append(quantiles(late, n=20)[-1])
        resident = max(resident, memory.resident(server.pid))
        connection.exchange(connection.request_bytes("POST", f"{TASKS}/{silent}/cancel", {}))
    return {"streams": (resident, resident), "lag": (min(lags), median(lags))}


@contextlib.contextmanager
def _waiting(server: Server, task: str) -> Iterator[socket.socket]:
    """An open stream that has told what there was to tell."""
    with _asked(server, task) as stream:
        seen = b""
        while b"data: " not in seen:
            seen += _received(stream, server)
        yield stream


def follow(server: Server, task: str) -> Iterator[dict[str, Any]]:
    """The events of a task as they arrive, to the completion."""
    with _asked(server, task) as stream:
        seen = b""
        while True:
            seen += _received(stream, server)
            *lines, seen = seen.split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    event: dict[str, Any] = orjson.loads(line.removeprefix(b"data: "))
                    yield event
                    if event["type"] == "completion":
                        return


def _asked(server: Server, task: str) -> socket.socket:
    parts = urlsplit(server.url)
    stream = socket.create_connection((str(parts.hostname), int(parts.port or 80)), PATIENCE)
    lines = (
        f"GET {TASKS}/{task}/eventstream HTTP/1.1",
        f"host: {parts.netloc}",
        "accept: text/event-stream",
        f"authorization: Bearer {server.token}",
    )
    stream.sendall("\r\n".join([*lines, "", ""]).encode())
    return stream


def _received(stream: socket.socket, server: Server) -> bytes:
    data = stream.recv(1 << 16)
    if not data:
        raise BenchError(f"{server.name} closed a stream\n{server.process.last_lines()}")
    return data


def _time_of(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["createdAt"]).timestamp()


if __name__ == "__main__":
    raise SystemExit(main())
