"""Replace the refresh keys of a batch of entities, touching only what differs."""

import hashlib
from collections.abc import Collection, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, among, delete_rows, insert_rows, listed

LONGEST_KEY = 255
KEPT_OF_LONG_KEY = 180
_TYPES = {"entity_id": "bigint", "key": "text"}


def stored_key(key: str) -> str:
    """The key as stored: long ones are cut and told apart by their hash."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[:KEPT_OF_LONG_KEY]}#sha256:{hashlib.sha256(key.encode()).hexdigest()}"


async def insert_refresh_keys(connection: AsyncConnection, emitted: Mapping[int, Collection[str]]) -> None:
    """The refresh keys of entities that have none yet."""
    rows: list[Row] = [
        (entity_id, key) for entity_id, keys in emitted.items() for key in sorted({stored_key(key) for key in keys})
    ]
    await insert_rows(connection, "refresh_keys", _TYPES, rows)


async def replace_refresh_keys(connection: AsyncConnection, emitted: Mapping[int, Collection[str]]) -> None:
    """Make these the refresh keys of their entities (by row id)."""
    stored: dict[int, set[str]] = {}
    statement = f"SELECT entity_id, key FROM refresh_keys WHERE entity_id {among(connection, 'ids', 'bigint')}"
    for row in await connection.execute(text(statement), {"ids": listed(connection, list(emitted))}):
        stored.setdefault(row.entity_id, set()).add(row.key)
    added: list[Row] = []
    removed: list[Row] = []
    for entity_id, keys in emitted.items():
        after = {stored_key(key) for key in keys}
        before = stored.get(entity_id, set())
        added.extend((entity_id, key) for key in sorted(after - before))
        removed.extend((entity_id, key) for key in sorted(before - after))
    await delete_rows(connection, "refresh_keys", _TYPES, removed)
    await insert_rows(connection, "refresh_keys", _TYPES, added)
