"""`make bench-large`: Understage alone on PostgreSQL with 10 000 and with 100 000 components, and how each figure grew.

The exponent is the logarithm of the ratio to the base of ten: 0 is a figure that does not depend on the number of entities,
1 one that grows as they do.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.databases import PostgresServer, postgres_binary
from tests.perf import memory, writes
from tests.perf.entities import write_catalog
from tests.perf.latency import ask, growth
from tests.perf.machine import describe
from tests.perf.page import write_section
from tests.perf.questions import questions
from tests.perf.servers import Contender
from tests.perf.session import SETTLE_SECONDS, visible_after

COUNTS = (10_000, 100_000)
Figures = dict[str, tuple[float, str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with `--write` writes the page."""
    parser = argparse.ArgumentParser(prog="make bench-large")
    parser.add_argument("--counts", type=int, nargs=2, default=COUNTS, help="two numbers of components")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(arguments)
    about = describe(None)
    small, large = (_measure(count, options.rounds) for count in options.counts)
    text = "\n\n".join(
        [
            f"## {options.counts[1]} components, Understage alone",
            "\n".join(f"- {name}: {value}" for name, value in about.items()),
            table(options.counts, small, large),
        ]
    )
    print(text, flush=True)
    if options.write:
        write_section("bench-large", text)
    return 0


def table(counts: Sequence[int], small: Figures, large: Figures) -> str:
    """Markdown: both columns and the exponent."""
    base = math.log(counts[1] / counts[0])
    lines = [f"| | {counts[0]} | {counts[1]} | exponent |", "|---|---|---|---|"]
    for name, (before, unit) in small.items():
        after = large[name][0]
        exponent = f"{math.log(after / before) / base:.2f}" if before > 0 and after > 0 else ""
        lines.append(f"| {name} | {before:.4g} {unit} | {after:.4g} {unit} | {exponent} |")
    return "\n".join(lines)


def _measure(count: int, rounds: int) -> Figures:
    initdb, postgres = postgres_binary("initdb"), postgres_binary("postgres")
    assert initdb is not None
    assert postgres is not None
    server = PostgresServer(initdb, postgres, durable=True)
    try:
        with tempfile.TemporaryDirectory(prefix="understage-bench-") as scratch:
            return _figures(server, Path(scratch), count, rounds)
    finally:
        server.stop()


def _figures(postgres: PostgresServer, folder: Path, count: int, rounds: int) -> Figures:
    catalog = write_catalog(folder / "catalog", count)
    contender = Contender(postgres, folder)
    config = {"catalog": {"locations": [{"type": "file", "target": str(catalog)}]}}
    with contender.running(contender.new_place(), config) as running:
        seconds = visible_after(postgres, running, count)
        _say(f"{count} components after {seconds:.1f} s")
        found: Figures = {
            "cold ingestion, from launch": (seconds, "s"),
            "highest memory of the ingestion": (memory.peak(running.pid), "MB"),
        }
        writes.wait_until_quiet(postgres, running.database, SETTLE_SECONDS)
        writes.analyze(postgres, running.database)
        for question in questions(count):
            rises = growth(running, question)
            times = ask(running, postgres.pid, question, rounds)
            found[f"{question.title}, median"] = (times.middle.least, "ms")
            found[f"{question.title}, 95th percentile"] = (times.p95.least, "ms")
            if question.name == "dump":
                found["first byte of `/entities`"] = (times.first_byte, "ms")
                found["memory growth of `/entities`"] = (rises, "MB")
            _say(f"{question.title}: {times.middle.least:.2f} ms, 95th percentile {times.p95.least:.2f} ms")
        found["memory after all of that"] = (memory.resident(running.pid), "MB")
        found["size of the database"] = (writes.megabytes(postgres, running.database), "MB")
    return found


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
