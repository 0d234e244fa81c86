"""Replicas that want the same name, or say something about each other's entities, at the same moment."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.store.catalog_bench import PagesReader, component, running

from understage.catalog.engine import CatalogEngine
from understage.catalog.providers.mutation import apply_delta
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.write_states import UnprocessedEntity
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import Database

FILES = 6
EACH = 40


def entities(key: str, count: int) -> list[UnprocessedEntity]:
    return [UnprocessedEntity(f"component:default/c{number}", "{}", f"{key}{number}", key) for number in range(count)]


async def test_a_name_goes_to_one_of_two_that_want_it_at_once(database: Database) -> None:
    async def claim(source: str) -> None:
        async def work(connection: AsyncConnection) -> None:
            await apply_delta(connection, source, entities(source, 200))

        await write_with_retry(database, work)

    await asyncio.gather(claim("one"), claim("two"), claim("three"))
    async with database.read() as connection:
        keys = (await connection.execute(text("SELECT DISTINCT location_key FROM refresh_state"))).scalars().all()
        sources = (
            (await connection.execute(text("SELECT DISTINCT source_key FROM refresh_state_references"))).scalars().all()
        )
        count = (await connection.execute(text("SELECT count(*) FROM refresh_state_references"))).scalar_one()
    assert len(keys) == 1
    assert keys == sources
    assert count == 200


async def test_what_fails_for_another_reason_is_not_tried_again(database: Database) -> None:
    tries = 0

    async def work(connection: AsyncConnection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute(text("SELECT no_such_column FROM refresh_state"))

    with pytest.raises(DBAPIError, match="no_such_column"):
        await write_with_retry(database, work)
    assert tries == 1


async def test_what_names_each_other_misses_no_relation(database: Database, tmp_path: Path) -> None:
    for file in range(FILES):
        documents = [
            component(f"c{file}-{number}", dependsOn=[f"component:c{(file + 1) % FILES}-{number}"])
            for number in range(EACH)
        ]
        (tmp_path / f"{file}.yaml").write_text("\n---\n".join(documents))
    locations = [{"type": "file", "target": f"{file}.yaml"} for file in range(FILES)]
    settings = CatalogSettings.model_validate({"locations": locations})
    others = [
        CatalogEngine(database, settings, PagesReader(), folder=tmp_path, providers=[], interval=(3600, 3600))
        for _ in range(2)
    ]
    await asyncio.gather(*(engine.start() for engine in others))
    try:
        async with running(database, tmp_path, locations=locations) as bench:
            served = await bench.entities()
            for file in range(FILES):
                for number in range(EACH):
                    relations = served[f"component:default/c{file}-{number}"]["relations"]
                    assert {(relation["type"], relation["targetRef"]) for relation in relations} == {
                        ("ownedBy", "group:default/team-a"),
                        ("dependsOn", f"component:default/c{(file + 1) % FILES}-{number}"),
                        ("dependencyOf", f"component:default/c{(file - 1) % FILES}-{number}"),
                    }
            before = await bench.snapshot()
            await bench.refresh_all()
            assert await bench.snapshot() == before
    finally:
        await asyncio.gather(*(engine.stop() for engine in others))
