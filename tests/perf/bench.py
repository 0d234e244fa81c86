"""`make bench`: the stock backend and Understage over the same generated entities, one table of ratios, `docs/performance.md`.

    python -m tests.perf.bench                         # the published run: 10 000 components, about half an hour
    python -m tests.perf.bench --quick                 # 1 000 components, one round, a short interval: writes no page
    python -m tests.perf.bench --only ours             # Understage alone, compared with the stock figures kept from before
    python -m tests.perf.bench --node /usr/bin/node    # the stock backend under another Node than the one of the lock file

The stock backend's figures are kept in the cache, by count and versions, that of Node included; `--reuse-stock` takes them
instead of measuring again.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from tests.contract.installation import Installation, cache_folder, install, lacking, package_key
from tests.databases import PostgresServer, postgres_binary
from tests.perf.entities import write_catalog
from tests.perf.machine import describe
from tests.perf.node import locked_node, node_version
from tests.perf.page import write_section
from tests.perf.report import different_answers, rows, table, written_tables
from tests.perf.servers import Contender
from tests.perf.session import Plan, Session

FULL = Plan(count=10_000, rounds=3, ingestions=3, load_seconds=4.0)
FORM = 3
QUICK = Plan(count=1_000, rounds=1, ingestions=1, load_seconds=1.0, interval=30)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every target holds."""
    options = _options(arguments)
    plan = _plan(options)
    missing = None if options.only == "ours" else lacking()
    node = options.node or locked_node()
    if missing or node is None:
        print(missing or "The Node of the lock file is missing: use `make bench`, or `uv sync --group bench` before")
        return 2
    installation = None if options.only == "ours" else install(node)
    kept = kept_stock_file(plan.count, node_version(node))
    with tempfile.TemporaryDirectory(prefix="understage-bench-") as scratch:
        folder = Path(scratch)
        about = describe(installation)
        _say("; ".join(f"{name}: {value}" for name, value in about.items()))
        catalog = write_catalog(folder / "catalog", plan.count)
        stock = None
        if options.only != "ours" and not (options.reuse_stock and kept.exists()):
            stock = _measured(folder, catalog, plan, installation)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(orjson.dumps({"about": about, "figures": stock}))
        elif kept.exists():
            earlier = orjson.loads(kept.read_bytes())
            stock = earlier["figures"]
            about["stock"] = earlier["about"]["stock"]
            about["stock figures"] = (
                f"of an earlier run, {earlier['about']['date']}, load {earlier['about']['load before']}"
            )
            _say(about["stock figures"])
        ours = None if options.only == "stock" else _measured(folder, catalog, plan, None)
    return _tell(plan, about, stock, ours, write=options.write)


def kept_stock_file(count: int, node: str) -> Path:
    """Where the stock figures of this machine under that version of Node are kept; another form of them gets another name."""
    return cache_folder() / "bench" / f"stock-{package_key()}-node-{node}-{count}-form{FORM}.json"


def _measured(folder: Path, catalog: Path, plan: Plan, installation: Installation | None) -> dict[str, Any]:
    initdb, postgres = postgres_binary("initdb"), postgres_binary("postgres")
    assert initdb is not None
    assert postgres is not None
    server = PostgresServer(initdb, postgres, durable=True)
    try:
        contender = Contender(server, folder, installation)
        return Session(contender, server, catalog, plan, lambda line: _say(f"{contender.name}: {line}")).measure()
    finally:
        server.stop()


def _tell(
    plan: Plan, about: dict[str, str], stock: dict[str, Any] | None, ours: dict[str, Any] | None, *, write: bool
) -> int:
    found = rows(stock, ours, plan.count)
    columns = [("The stock backend", stock), ("Understage", ours)]
    sentences = [written_tables(name, figures) for name, figures in columns if figures is not None]
    different = different_answers(stock, ours) if stock is not None and ours is not None else []
    text = "\n\n".join(
        [
            f"## {plan.count} components, beside the stock backend",
            "\n".join(f"- {name}: {value}" for name, value in about.items()),
            table(found),
            "Written while nothing changed:",
            "\n".join(f"- {sentence}" for sentence in sentences),
        ]
    )
    print(text, flush=True)
    if different:
        print(f"NOT ANSWERED ALIKE: {', '.join(different)}")
    if write and stock is not None and ours is not None and not different:
        write_section("bench", text)
    missed = [row.title for row in found if row.holds is False]
    if missed:
        print("missed: " + "; ".join(missed))
    return 1 if missed or different else 0


def _plan(options: argparse.Namespace) -> Plan:
    base = QUICK if options.quick else FULL
    return Plan(
        count=options.count or base.count,
        rounds=options.rounds or base.rounds,
        ingestions=options.rounds or base.ingestions,
        load_seconds=base.load_seconds,
        interval=options.interval or base.interval,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="1 000 components, one round, an interval of 30 seconds")
    parser.add_argument("--count", type=int, help="how many components")
    parser.add_argument("--rounds", type=int, help="how many rounds, of ingestions too")
    parser.add_argument("--interval", type=int, help="seconds of catalog.processingInterval")
    parser.add_argument("--only", choices=("ours", "stock"), help="measure one of them")
    parser.add_argument(
        "--node", type=Path, help="the binary that runs the stock backend; default: that of the lock file"
    )
    parser.add_argument("--reuse-stock", action="store_true", help="take the stock figures that the last run kept")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md; needs both columns")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
