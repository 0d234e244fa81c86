"""Make entities due now."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, is_sqlite, listed, now
from understage.catalog.store.claims import BUCKET
from understage.catalog.store.replace_refresh_keys import stored_key


async def schedule_refs(connection: AsyncConnection, refs: Collection[str], *, forget_result: bool = False) -> int:
    """Make these due; `forget_result` makes their next result count as changed. Returns how many exist."""
    condition = f"entity_ref {among(connection, 'list')}"
    parameters = {"list": listed(connection, sorted(refs))}
    if forget_result:
        statement = f"UPDATE refresh_state SET result_hash = 'child-was-deleted' WHERE {condition}"
        await connection.execute(text(statement), parameters)
    return await make_due(connection, condition, parameters)


async def schedule_keys(connection: AsyncConnection, keys: Sequence[str]) -> int:
    """Make due what has any of these refresh keys; returns how many entities that are."""
    condition = f"id IN (SELECT entity_id FROM refresh_keys WHERE key {among(connection, 'list')})"
    return await make_due(
        connection, condition, {"list": listed(connection, sorted({stored_key(key) for key in keys}))}
    )


async def schedule_ids(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Make these rows due."""
    if ids:
        await make_due(connection, f"id {among(connection, 'list', 'bigint')}", {"list": listed(connection, ids)})


async def ensure_buckets(connection: AsyncConnection) -> None:
    """Give a bucket to the rows that have none: a replica of the release before buckets wrote them."""
    statement = f"""
        INSERT INTO refresh_buckets (bucket, next_at, claimed_until, claim)
        SELECT DISTINCT id / {BUCKET}, {now(connection)}, 0, 0 FROM refresh_state s
        WHERE NOT EXISTS (SELECT 1 FROM refresh_buckets b WHERE b.bucket = s.id / {BUCKET})
        ON CONFLICT (bucket) DO NOTHING
    """
    await connection.execute(text(statement))


async def count_due(connection: AsyncConnection) -> int:
    """How many entities wait to be processed, or are being processed; a bucket that is due counts as one."""
    statement = f"""
        SELECT (SELECT count(*) FROM refresh_due)
             + (SELECT count(*) FROM refresh_buckets WHERE next_at <= {now(connection)})
    """
    count: int = (await connection.execute(text(statement))).scalar_one()
    return count


async def make_due(connection: AsyncConnection, condition: str, parameters: dict[str, Any]) -> int:
    """Make the rows of `refresh_state` due for which an SQL condition holds; returns how many there are."""
    latest = "max" if is_sqlite(connection) else "greatest"
    # Later than before in any case: who works on it sees by that, that it is to be done again.
    statement = f"""
        INSERT INTO refresh_due (entity_id, due_at, claimed_until, claim)
        SELECT id, {now(connection)}, 0, 0 FROM refresh_state WHERE {condition} ORDER BY id
        ON CONFLICT (entity_id) DO UPDATE SET due_at = {latest}(excluded.due_at, refresh_due.due_at + 1)
    """
    return (await connection.execute(text(statement), parameters)).rowcount
