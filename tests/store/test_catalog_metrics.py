"""What operators see of the ingestion: metrics under the stock names."""

import asyncio
import subprocess
import sys
from pathlib import Path

# Meters are one per process, so the service's part is played by a process of its own.
SERVICE = """
import asyncio, sys
from pathlib import Path
from tests.store.catalog_bench import component, location, running
from understage.catalog.store.count_all import refresh_counts
from understage.platform.database import connect_sqlite_temporary
from understage.platform.migrations import migrate
from understage.platform.telemetry import configure_telemetry, metrics_response

async def main(folder):
    configure_telemetry()
    database = connect_sqlite_temporary()
    await migrate(database)
    (folder / "a.yaml").write_text(component("one") + "\\n---\\n" + component("Bad Name"))
    async with running(database, folder, locations=[{"type": "file", "target": "a.yaml"}]) as bench:
        await bench.refresh_all()
        await refresh_counts(database)
        print(metrics_response(None).body.decode())
    await database.close()

asyncio.run(main(Path(sys.argv[1])))
"""


async def scrape(folder: Path) -> str:
    """What `/metrics` tells after some work."""
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SERVICE, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


async def test_metrics_have_the_stock_names(tmp_path: Path) -> None:
    exposition = await scrape(tmp_path)
    samples = [line.rpartition(" ") for line in exposition.splitlines() if line.startswith("catalog_")]
    lines = {name: float(value) for name, _, value in samples}
    found = {name.partition("{")[0]: value for name, value in lines.items()}
    counted = "catalog_processed_entities_count_total"
    by_result = {name: value for name, value in lines.items() if name.startswith(counted)}
    assert sum(value for name, value in by_result.items() if 'result="unchanged"' in name) == 3
    assert sum(value for name, value in by_result.items() if 'result="errors"' in name) == 1
    kinds = {name: value for name, value in lines.items() if name.startswith("catalog_entities_count")}
    assert [value for name, value in kinds.items() if 'kind="component"' in name] == [1]
    assert found["catalog_relations_count"] == 2
    for name in (
        "catalog_registered_locations_count",
        "catalog_processing_duration_seconds_count",
        "catalog_processors_duration_seconds_count",
        "catalog_processing_queue_delay_seconds_count",
        "catalog_stitched_entities_count_total",
        "catalog_stitching_duration_seconds_count",
        "catalog_stitching_queue_length",
        "catalog_stitching_queue_delay_seconds_count",
    ):
        assert name in found


async def test_counters_have_the_stock_prometheus_names_too(tmp_path: Path) -> None:
    exposition = await scrape(tmp_path)
    for name in ("catalog_processed_entities_count", "catalog_stitched_entities_count"):
        told = [line for line in exposition.splitlines() if line.startswith((name + "{", name + "_total{"))]
        assert told
        plain = {line for line in told if line.startswith(name + "{")}
        assert plain == {line.replace("_total{", "{") for line in told}
        assert f"# TYPE {name} counter" in exposition
