"""Count what is served, and tell what is wrong, for the greeting of `understage up`."""

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.tables import final_entities, refresh_state

MOST_PROBLEMS = 20


async def select_problems(connection: AsyncConnection) -> tuple[int, list[str]]:
    """(entities served, one line an entity whose last processing failed, at most twenty)."""
    count = (await connection.execute(select(func.count()).select_from(final_entities))).scalar_one()
    failed = await connection.execute(
        select(refresh_state.c.entity_ref, refresh_state.c.errors)
        .where(refresh_state.c.errors != "[]")
        .order_by(refresh_state.c.entity_ref)
        .limit(MOST_PROBLEMS)
    )
    return count, [f"{ref}: {error['message']}" for ref, errors in failed for error in orjson.loads(errors)[:1]]
