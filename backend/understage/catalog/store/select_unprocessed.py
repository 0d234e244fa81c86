"""Select the entities that have come in and are not served, for the unprocessed entities module."""

from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.read_times import next_read_at, with_schedule
from understage.catalog.store.tables import final_entities, refresh_state


class UnprocessedRow(NamedTuple):
    """A row of `refresh_state` by the names of the wire; JSON columns are still text, times milliseconds."""

    entity_id: str
    entity_ref: str
    unprocessed_entity: str
    unprocessed_hash: str
    processed_entity: str | None
    result_hash: str | None
    cache: str | None
    next_update_at: int
    last_discovery_at: int
    errors: str
    location_key: str | None


async def select_unprocessed(connection: AsyncConnection) -> list[UnprocessedRow]:
    """All that have no final form, by reference."""
    columns: dict[str, Any] = {name: refresh_state.c[name] for name in UnprocessedRow._fields[1:]}
    columns["next_update_at"] = next_read_at
    served = select(final_entities.c.entity_id).where(final_entities.c.entity_id == refresh_state.c.id).exists()
    statement = select(refresh_state.c.uid, *columns.values()).select_from(with_schedule(refresh_state))
    statement = statement.where(~served).order_by(refresh_state.c.entity_ref)
    return [UnprocessedRow(*row) for row in await connection.execute(statement)]
