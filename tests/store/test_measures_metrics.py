"""What Prometheus sees of the measures, and that the dashboard asks for nothing else."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "skeletons/dashboards/measures.json").read_text())
# Meters are one per process, so the service's part is played by a process of its own.
SERVICE = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from tests.store.measured_history import END, ENTITIES, EVENTS
from tests.store.service_bench import running_service
from understage.platform.telemetry import configure_telemetry

async def main(folder):
    configure_telemetry()
    async with running_service(folder, ENTITIES) as bench:
        parts = bench.service.measures
        end = int(datetime.fromisoformat(END).timestamp() * 1000)
        parts.measures.clock = lambda: end - 3_600_000
        told = await bench.post("/api/understage/measures/events", {"events": EVENTS})
        assert told.status_code == 202, told.text
        for score, name in ((5, "ada"), (4, "bob"), (3, "carol")):
            await parts.measures.answer_survey(f"user:default/{name}", score, f"{name} says so")
        parts.measures.clock = lambda: end
        await parts.metrics.refresh()
        print((await bench.get("/metrics")).text)

asyncio.run(main(Path(sys.argv[1])))
"""
SAMPLE = re.compile(r"(understage_measures_\w+)(?:\{([^}]*)\})? (\S+)")


async def scrape(folder: Path) -> str:
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SERVICE, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def metrics_of(expression: str) -> set[str]:
    """The metrics that a query selects, by its syntax tree."""

    def walk(node: Any) -> set[str]:
        if isinstance(node, promql_parser.VectorSelector):
            return {node.name}
        parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
        parts += list(getattr(node, "args", None) or [])
        return set().union(*(walk(part) for part in parts if isinstance(part, promql_parser.Expr)))

    return walk(promql_parser.parse(expression))


async def test_metrics_and_dashboard(tmp_path: Path) -> None:
    exposition = await scrape(tmp_path)
    samples = {}
    for line in exposition.splitlines():
        if found := SAMPLE.fullmatch(line):
            labels = re.sub(r'otel_scope_\w+="[^"]*",?', "", found[2] or "").strip(",")
            samples[found[1], labels] = float(found[3])
    ledger = 'service="component:default/ledger"'
    # The last 30 days before March ends: those of the hand-computed history, whose events before March 2 are none of these.
    assert samples["understage_measures_deployments", ledger] == 5
    assert samples["understage_measures_failures", ledger] == 3
    assert samples["understage_measures_open_failures", ledger] == 1
    assert samples["understage_measures_lead_time_seconds", ledger] == 5400
    assert samples["understage_measures_time_to_restore_seconds", ledger] == 2760
    assert samples["understage_measures_time_to_production_seconds", ""] == 567150
    assert samples["understage_measures_services_waiting", ""] == 1
    assert samples["understage_measures_satisfaction", ""] == 4
    labels = {label for _, label in samples}
    assert labels == {"", *(f'service="component:default/{name}"' for name in ("ledger", "invoices", "vault-api"))}
    for name in ("ada", "bob", "carol", "books"):
        assert not re.search(rf"\b{name}\b", exposition)

    exposed = {name for name, _ in samples}
    asked = {
        name for panel in DASHBOARD["panels"] for target in panel["targets"] for name in metrics_of(target["expr"])
    }
    assert asked <= exposed | {"understage_measures_tickets_opened", "understage_measures_tickets_closed"}
    assert exposed - asked == {"understage_measures_satisfaction_answers"}


def test_the_dashboards_queries_are_promql() -> None:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert len(queries) == 12
    for query in queries:
        # Variables are Grafana's; within the quotes of a matcher they are text to the parser.
        assert promql_parser.parse(query)
        assert metrics_of(query), query
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    (service,) = [each for each in DASHBOARD["templating"]["list"] if each["name"] == "service"]
    assert re.fullmatch(r"label_values\(understage_measures_deployments, service\)", service["query"]["query"])
