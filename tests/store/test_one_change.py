"""A change of one file in a location of a thousand touches only what changed, whichever way the news comes."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.store.catalog_bench import Bench, component, location, running
from tests.store.row_counter import counting_rows

from understage.platform.database import Database
from understage.platform.event_bus import Event

FILES = 1000
MAIN = "https://example.com/o/repo/blob/main"
CHANGED = "c500"
# Schedules and queues: a row is written when something becomes due, is claimed and is done.
SCHEDULES = {"refresh_due", "refresh_buckets", "stitch_queue"}


async def by_push(bench: Bench) -> None:
    payload = {
        "ref": "refs/heads/main",
        "repository": {"html_url": "https://example.com/o/repo", "default_branch": "main"},
        "commits": [{"id": "1", "modified": [f"{CHANGED}.yaml"]}],
    }
    assert await bench.engine.events.publish(Event("github.push", payload, is_trusted=True))


async def by_refresh(bench: Bench) -> None:
    await bench.service.refresh(f"component:default/{CHANGED}")


async def by_refresh_of_the_location(bench: Bench) -> None:
    await bench.service.refresh("location:default/all")


@pytest.mark.parametrize("tell", [by_push, by_refresh, by_refresh_of_the_location])
async def test_one_file_of_a_thousand(
    database: Database, tmp_path: Path, tell: Callable[[Bench], Awaitable[None]]
) -> None:
    async with running(database, tmp_path, scmEvents=True) as bench:
        names = [f"c{number}" for number in range(FILES)]
        bench.reader.pages.update({f"{MAIN}/{name}.yaml": component(name) for name in names})
        bench.reader.pages[f"{MAIN}/all.yaml"] = location("all", *(f"./{name}.yaml" for name in names))
        await bench.service.create_location("url", f"{MAIN}/all.yaml")
        await bench.settle()
        assert len(await bench.names()) == FILES + 1
        async with counting_rows(database) as rows:
            await tell(bench)
            await bench.settle()
            unchanged = await rows.counts()
            await rows.reset()
            bench.reader.pages[f"{MAIN}/{CHANGED}.yaml"] = component(CHANGED, lifecycle="deprecated")
            bench.reader.sent.clear()
            await tell(bench)
            await bench.settle()
            changed = await rows.counts()
        assert (await bench.entity(f"component:default/{CHANGED}"))["spec"]["lifecycle"] == "deprecated"
        assert set(bench.reader.sent) == {f"{MAIN}/{CHANGED}.yaml"}, "the others were not even sent"

        assert_only(unchanged, refresh_state=6)
        # The entity, its place, what it is searched by: nothing of the other 999.
        assert_only(changed, refresh_state=12, final_entities=2, search=4, catalog_changes=2)


def assert_only(counts: Counter[str], **most: int) -> None:
    """No table but these and the schedules was written to, and none of these more often than this."""
    beyond = {table: count for table, count in counts.items() if count > most.get(table, 0) and table not in SCHEDULES}
    assert beyond == {}
    assert sum(counts[table] for table in SCHEDULES) <= 30
