"""Replicas that want the same name at the same moment."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.providers.mutation import apply_delta
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.write_states import UnprocessedEntity
from understage.platform.database import Database


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
