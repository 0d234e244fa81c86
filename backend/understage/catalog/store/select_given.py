"""What a provider gives at present."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def select_given(connection: AsyncConnection, source_key: str) -> list[tuple[str, str | None]]:
    """Unprocessed entity (JSON text) and location key of each entity that the provider gives, by reference."""
    statement = """
        SELECT state.unprocessed_entity, state.location_key
        FROM refresh_state_references AS edge JOIN refresh_state AS state ON state.entity_ref = edge.target_entity_ref
        WHERE edge.source_key = :source_key ORDER BY state.entity_ref
    """
    rows = await connection.execute(text(statement), {"source_key": source_key})
    return [(row.unprocessed_entity, row.location_key) for row in rows]
