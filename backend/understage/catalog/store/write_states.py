"""Write what came in: new entities, and changed ones of the same owner. Both become due at once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import insert_rows, now, update_rows


@dataclass(frozen=True, slots=True)
class UnprocessedEntity:
    """An entity as a provider or a parent gave it: JSON text, its hash, and who owns the name."""

    entity_ref: str
    json: str
    hash: str
    location_key: str | None


async def insert_states(connection: AsyncConnection, entities: Sequence[UnprocessedEntity]) -> None:
    """Insert entities under fresh uids; a reference that another replica inserted meanwhile is left as it is."""
    at = await _time(connection)
    rows = [
        {
            "uid": str(uuid.uuid4()),
            "entity_ref": entity.entity_ref,
            "unprocessed_entity": entity.json,
            "unprocessed_hash": entity.hash,
            "next_update_at": at,
            "last_discovery_at": at,
            "location_key": entity.location_key,
        }
        for entity in entities
    ]
    types = {
        "uid": "text",
        "entity_ref": "text",
        "unprocessed_entity": "text",
        "unprocessed_hash": "text",
        "next_update_at": "bigint",
        "last_discovery_at": "bigint",
        "location_key": "text",
    }
    await insert_rows(connection, "refresh_state", types, rows, on_conflict="ON CONFLICT (entity_ref) DO NOTHING")


async def update_states(connection: AsyncConnection, entities: Sequence[tuple[int, UnprocessedEntity]]) -> None:
    """Replace the unprocessed form of rows by id."""
    at = await _time(connection)
    rows = [
        {
            "id": row_id,
            "unprocessed_entity": entity.json,
            "unprocessed_hash": entity.hash,
            "location_key": entity.location_key,
            "next_update_at": at,
            "last_discovery_at": at,
        }
        for row_id, entity in entities
    ]
    types = {
        "id": "bigint",
        "unprocessed_entity": "text",
        "unprocessed_hash": "text",
        "location_key": "text",
        "next_update_at": "bigint",
        "last_discovery_at": "bigint",
    }
    await update_rows(connection, "refresh_state", "id", types, rows)


async def _time(connection: AsyncConnection) -> int:
    time: int = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
    return time
