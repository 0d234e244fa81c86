"""Claim the entities that are due, so that no other replica processes them meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, is_sqlite, listed, now


@dataclass(frozen=True, slots=True)
class DueEntity:
    """A row of `refresh_state` as processing needs it; JSON columns are still text."""

    id: int
    uid: str
    entity_ref: str
    unprocessed_entity: str
    is_processed: bool
    result_hash: str | None
    cache: str | None
    location_key: str | None


async def longest_delay_ms(connection: AsyncConnection) -> int | None:
    """How long the longest waiting due entity has been due; None when none is."""
    statement = (
        f"SELECT {now(connection)} - min(next_update_at) FROM refresh_state WHERE next_update_at <= {now(connection)}"
    )
    return (await connection.execute(text(statement))).scalar()


async def claim_due(connection: AsyncConnection, *, limit: int, interval_ms: int) -> list[DueEntity]:
    """Take up to `limit` entities, the longest waiting first, and schedule them for after `interval_ms`.

    This is also the only write that an unchanged entity costs.
    """
    due = f"SELECT id FROM refresh_state WHERE next_update_at <= {now(connection)} ORDER BY next_update_at, id LIMIT :limit"
    chosen = f"IN ({due})" if is_sqlite(connection) else f"= ANY (ARRAY({due} FOR UPDATE SKIP LOCKED))"

    # Not IS NOT NULL: SQLite 3.40 takes that for true in RETURNING.
    statement = f"""
        UPDATE refresh_state SET next_update_at = {now(connection)} + :interval, last_read_at = {now(connection)}
        WHERE id {chosen}
        RETURNING id, uid, entity_ref, unprocessed_entity, coalesce(processed_entity, '') <> '', result_hash, cache, location_key
    """
    rows = await connection.execute(text(statement), {"limit": limit, "interval": interval_ms})
    return sorted((DueEntity(*row) for row in rows), key=lambda entity: entity.id)


async def release_claim(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Make claimed entities due again: processing was interrupted."""
    statement = (
        f"UPDATE refresh_state SET next_update_at = {now(connection)} WHERE id {among(connection, 'ids', 'bigint')}"
    )
    await connection.execute(text(statement), {"ids": listed(connection, ids)})
