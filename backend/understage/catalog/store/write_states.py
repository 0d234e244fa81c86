"""Write what came in: new entities, and changed ones of the same owner. Both become due at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import insert_rows, is_sqlite, select_time, update_rows
from understage.catalog.store.claims import insert_buckets, insert_due
from understage.catalog.store.schedule import schedule_ids
from understage.model.uid import new_uid


@dataclass(frozen=True, slots=True)
class UnprocessedEntity:
    """An entity as a provider or a parent gave it: JSON text, its hash, and who owns the name."""

    entity_ref: str
    json: str
    hash: str
    location_key: str | None


@dataclass(frozen=True, slots=True)
class ProcessedEntity:
    """An entity as it came in and what processing made of it, without errors: JSON text, hash of the result, cache."""

    uid: str
    came_in: UnprocessedEntity
    json: str
    result_hash: str
    cache: str | None


_INSERTED = {
    "id": "bigint",
    "uid": "text",
    "entity_ref": "text",
    "unprocessed_entity": "text",
    "unprocessed_hash": "text",
    "next_update_at": "bigint",
    "last_discovery_at": "bigint",
    "location_key": "text",
}
_PROCESSED = {
    **{name: _INSERTED[name] for name in ("id", "uid", "entity_ref", "unprocessed_entity", "unprocessed_hash")},
    "processed_entity": "text",
    "result_hash": "text",
    "cache": "text",
    "next_update_at": "bigint",
    "last_read_at": "bigint",
    "last_discovery_at": "bigint",
    "location_key": "text",
}
_UPDATED = {
    "unprocessed_entity": "text",
    "unprocessed_hash": "text",
    "location_key": "text",
    "last_discovery_at": "bigint",
    "id": "bigint",
}
# The column that the release before `refresh_due` scheduled by: its replicas leave these rows alone.
NEVER = 2**53


async def insert_states(connection: AsyncConnection, entities: Sequence[UnprocessedEntity]) -> None:
    """Insert entities under fresh uids. Raises DBAPIError (unique violation) when another replica inserted one meanwhile."""
    if not entities:
        return
    at = await select_time(connection)
    # Replicas insert in one order, so that they wait for each other instead of locking each other out.
    ordered = sorted(entities, key=lambda entity: entity.entity_ref)
    ids = await _new_ids(connection, len(ordered))
    rows = [
        (row_id, new_uid(), entity.entity_ref, entity.json, entity.hash, NEVER, at, entity.location_key)
        for row_id, entity in zip(ids, ordered, strict=True)
    ]
    await insert_rows(connection, "refresh_state", _INSERTED, rows)
    await insert_due(connection, ids)


async def insert_processed(connection: AsyncConnection, entities: Sequence[ProcessedEntity]) -> list[int]:
    """Insert entities that were processed before they came in, in the order of their references; returns their row ids.

    Nothing of them is due; `schedule_processed` is to follow. Errors as `insert_states`.
    """
    at = await select_time(connection)
    ids = await _new_ids(connection, len(entities))
    rows = [
        (
            row_id,
            item.uid,
            item.came_in.entity_ref,
            item.came_in.json,
            item.came_in.hash,
            item.json,
            item.result_hash,
            item.cache,
            NEVER,
            at,
            at,
            item.came_in.location_key,
        )
        for row_id, item in zip(ids, entities, strict=True)
    ]
    await insert_rows(connection, "refresh_state", _PROCESSED, rows)
    return ids


async def schedule_processed(connection: AsyncConnection, ids: Sequence[int], *, look_again_ms: int) -> None:
    """Have the new rows' buckets looked at in time. Transactions that share a bucket wait for each other from here on."""
    await insert_buckets(connection, ids, next_at=await select_time(connection) + look_again_ms)


async def update_states(connection: AsyncConnection, entities: Sequence[tuple[int, UnprocessedEntity]]) -> None:
    """Replace the unprocessed form of rows by id."""
    at = await select_time(connection)
    rows = [(entity.json, entity.hash, entity.location_key, at, row_id) for row_id, entity in entities]
    await update_rows(connection, "refresh_state", _UPDATED, rows)
    await schedule_ids(connection, [row_id for row_id, _ in entities])


async def _new_ids(connection: AsyncConnection, count: int) -> list[int]:
    if is_sqlite(connection):
        statement = "SELECT coalesce(max(id), 0) FROM refresh_state"
        last: int = (await connection.execute(text(statement))).scalar_one()
        return list(range(last + 1, last + 1 + count))
    statement = (
        "SELECT nextval(pg_get_serial_sequence('refresh_state', 'id')) FROM generate_series(1, CAST(:count AS integer))"
    )
    return sorted((await connection.execute(text(statement), {"count": count})).scalars())
