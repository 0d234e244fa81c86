"""The bench of all store tests: two databases, migrated and empty."""

import pytest
from sqlalchemy import func, insert, select, text

from understage.catalog.store.tables import locations
from understage.platform.database import Database, now_ms


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_each_test_has_an_empty_database(database: Database, turn: str) -> None:
    async with database.write() as connection:
        assert (await connection.execute(select(func.count()).select_from(locations))).scalar() == 0
        row = {
            "id": turn,
            "type": "url",
            "target": "https://example.com/x",
            "location_entity_ref": "location:default/x",
        }
        await connection.execute(insert(locations).values(row))


async def test_the_time_is_the_databases_in_milliseconds(database: Database) -> None:
    async with database.read() as connection:
        now = (await connection.execute(select(now_ms()))).scalar_one()
        seconds = (await connection.execute(text(_SECONDS[database.dialect]))).scalar_one()
    assert abs(now - float(seconds) * 1000) < 2000


_SECONDS = {"sqlite": "SELECT strftime('%s', 'now')", "postgresql": "SELECT extract(epoch FROM now())"}
