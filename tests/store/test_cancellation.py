"""A task that is cancelled inside a transaction leaves no lock behind."""

import asyncio
import contextlib
import random

from sqlalchemy import func, insert, select

from understage.catalog.store.tables import locations
from understage.platform.database import Database


async def write_one(database: Database, name: str) -> None:
    async with database.write() as connection:
        values = {"id": name, "type": "url", "target": name, "location_entity_ref": "location:default/x"}
        await connection.execute(insert(locations).values(values))
        await connection.execute(select(func.count()).select_from(locations))


async def test_writers_go_on_after_one_was_cancelled_anywhere(database: Database) -> None:
    for number in range(150):
        task = asyncio.create_task(write_one(database, f"cancelled-{number}"))
        await asyncio.sleep(random.uniform(0, 0.004))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await write_one(database, f"whole-{number}")
    async with database.read() as connection:
        whole = select(func.count()).select_from(locations).where(locations.c.id.like("whole-%"))
        assert (await connection.execute(whole)).scalar() == 150
