"""Write what came in: new entities, and changed ones of the same owner. Both become due at once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import insert_rows, now, update_rows
from understage.catalog.store.retry import LostRace


@dataclass(frozen=True, slots=True)
class UnprocessedEntity:
    """An entity as a provider or a parent gave it: JSON text, its hash, and who owns the name."""

    entity_ref: str
    json: str
    hash: str
    location_key: str | None


_INSERTED = {
    "uid": "text",
    "entity_ref": "text",
    "unprocessed_entity": "text",
    "unprocessed_hash": "text",
    "next_update_at": "bigint",
    "last_discovery_at": "bigint",
    "location_key": "text",
}
_UPDATED = {
    "unprocessed_entity": "text",
    "unprocessed_hash": "text",
    "location_key": "text",
    "next_update_at": "bigint",
    "last_discovery_at": "bigint",
    "id": "bigint",
}


async def insert_states(connection: AsyncConnection, entities: Sequence[UnprocessedEntity]) -> None:
    """Insert entities under fresh uids. Raises LostRace when another replica inserted one of the references meanwhile."""
    at = await _time(connection)
    rows = [
        (str(uuid.uuid4()), entity.entity_ref, entity.json, entity.hash, at, at, entity.location_key)
        # Replicas insert in one order, so that they wait for each other instead of locking each other out.
        for entity in sorted(entities, key=lambda entity: entity.entity_ref)
    ]
    unique = "ON CONFLICT (entity_ref) DO NOTHING"
    if await insert_rows(connection, "refresh_state", _INSERTED, rows, on_conflict=unique) < len(rows):
        raise LostRace


async def update_states(connection: AsyncConnection, entities: Sequence[tuple[int, UnprocessedEntity]]) -> None:
    """Replace the unprocessed form of rows by id."""
    at = await _time(connection)
    rows = [(entity.json, entity.hash, entity.location_key, at, at, row_id) for row_id, entity in entities]
    await update_rows(connection, "refresh_state", _UPDATED, rows)


async def _time(connection: AsyncConnection) -> int:
    time: int = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
    return time
