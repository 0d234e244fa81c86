"""New children are stored whole before their parent is: nothing is lost or missed when something comes in between."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import Bench, PagesReader, component, running

from understage.catalog.engine import CatalogEngine
from understage.catalog.processing import newcomers
from understage.catalog.processing.rounds import ProcessingRounds
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import Database

FILES = 6
EACH = 40


def write_circle(folder: Path) -> list[dict[str, str]]:
    """Files whose components each depend on one of the next file; returns their locations."""
    for file in range(FILES):
        documents = [
            component(f"c{file}-{number}", dependsOn=[f"component:c{(file + 1) % FILES}-{number}"])
            for number in range(EACH)
        ]
        (folder / f"{file}.yaml").write_text("\n---\n".join(documents))
    return [{"type": "file", "target": f"{file}.yaml"} for file in range(FILES)]


async def check_circle(bench: Bench) -> None:
    served = await bench.entities()
    for file in range(FILES):
        for number in range(EACH):
            found = {
                (relation["type"], relation["targetRef"])
                for relation in served[f"component:default/c{file}-{number}"]["relations"]
            }
            assert found == {
                ("ownedBy", "group:default/team-a"),
                ("dependsOn", f"component:default/c{(file + 1) % FILES}-{number}"),
                ("dependencyOf", f"component:default/c{(file - 1) % FILES}-{number}"),
            }
    async with bench.database.read() as connection:
        orphans = await connection.execute(
            text(
                "SELECT entity_ref FROM refresh_state WHERE entity_ref NOT IN"
                " (SELECT target_entity_ref FROM refresh_state_references)"
            )
        )
        assert orphans.scalars().all() == []
        twice = await connection.execute(
            text(
                "SELECT target_entity_ref FROM refresh_state_references WHERE source_entity_ref IS NOT NULL"
                " GROUP BY source_entity_ref, target_entity_ref HAVING count(*) > 1"
            )
        )
        assert twice.scalars().all() == []


async def test_replicas_that_add_what_names_each_other_miss_no_relation(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "CHUNK", 25)
    locations = write_circle(tmp_path)
    settings = CatalogSettings.model_validate({"locations": locations})
    others = [
        CatalogEngine(database, settings, PagesReader(), folder=tmp_path, providers=[], interval=(3600, 3600))
        for _ in range(2)
    ]
    await asyncio.gather(*(engine.start() for engine in others))
    try:
        async with running(database, tmp_path, locations=locations) as bench:
            await check_circle(bench)
            before = await bench.snapshot()
            await bench.refresh_all()
            assert await bench.snapshot() == before
    finally:
        await asyncio.gather(*(engine.stop() for engine in others))


async def test_children_whose_parent_was_not_committed_are_there_once_and_stay(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locations = write_circle(tmp_path)
    failed: list[str] = []
    commit = ProcessingRounds._commit

    async def fail_after_children(self: ProcessingRounds, batch: Any) -> None:
        parents = [outcome for outcome in batch.changed if outcome.result.children]
        if parents and not failed:
            await self._newcomers.take_in(batch.changed)
            failed.extend(outcome.claimed.entity_ref for outcome in parents)
            raise ConnectionError("the process is killed")
        await commit(self, batch)

    monkeypatch.setattr(ProcessingRounds, "_commit", fail_after_children)
    settings = CatalogSettings.model_validate({"locations": locations})
    engine = CatalogEngine(database, settings, PagesReader(), folder=tmp_path, providers=[], interval=(3600, 3600))
    await engine.start()
    async with asyncio.timeout(20):
        while not failed:
            await asyncio.sleep(0.02)
    await engine.stop()
    async with database.read() as connection:
        count = await connection.execute(
            text("SELECT count(*) FROM final_entities WHERE entity_ref LIKE 'component:%'")
        )
        assert count.scalar_one() > 0, "children are served before their parent is committed"
    async with database.write() as connection:
        await connection.execute(text("UPDATE refresh_due SET claimed_until = 0"))
    async with running(database, tmp_path, locations=locations) as bench:
        await bench.refresh_all()
        await check_circle(bench)
        (tmp_path / "0.yaml").write_text(component("c0-0"))
        await bench.refresh_all()
        await bench.refresh_all()
        assert "component:default/c0-0" in await bench.names()
        gone = (await bench.entities()).get("component:default/c0-1")
        assert gone is None or gone["metadata"]["annotations"]["backstage.io/orphan"] == "true"
