"""Select what is served of some entities."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed


async def select_final(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, str]:
    """JSON of the final entities, by row id."""
    if not ids:
        return {}
    statement = (
        f"SELECT entity_id, final_entity FROM final_entities WHERE entity_id {among(connection, 'ids', 'bigint')}"
    )
    return {row[0]: row[1] for row in await connection.execute(text(statement), {"ids": listed(connection, ids)})}
