"""The queue of entities whose final form is out of date.

A request may be for an entity that is not there: relations lead to names that nobody has. Such a request is looked at once more
after seconds, and after a minute, because the entity may be under way: in a transaction that was not over when the request was
looked at, and had looked at the relations before the request was made.
"""

import secrets
from collections.abc import Collection, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, each, is_sqlite, listed, now

UNKNOWN = "unknown "
SECOND_LOOK_MS = 3_000
LAST_LOOK_MS = 60_000


async def enqueue_stitch(connection: AsyncConnection, refs: Collection[str], *, delay_ms: int = 0) -> None:
    """Ask for the final forms of `refs`; a stitch that is under way will not count as this one.

    `delay_ms` is for those who will soon ask for the same again: nobody waits for longer than the first one asked for.
    """
    if not refs:
        return
    earlier = "min" if is_sqlite(connection) else "LEAST"
    # Sorted, so that replicas lock the queue's rows in one order.
    statement = f"""
        INSERT INTO stitch_queue (entity_ref, stitch_ticket, next_stitch_at)
        SELECT value, :ticket, {now(connection)} + :delay FROM {each(connection, "refs")} WHERE true
        ON CONFLICT (entity_ref) DO UPDATE
        SET stitch_ticket = excluded.stitch_ticket,
            next_stitch_at = {earlier}(stitch_queue.next_stitch_at, excluded.next_stitch_at)
    """
    parameters = {"ticket": secrets.token_hex(8), "refs": listed(connection, sorted(refs)), "delay": delay_ms}
    await connection.execute(text(statement), parameters)


async def longest_stitch_delay_ms(connection: AsyncConnection) -> int | None:
    """How long the longest waiting entity has waited for its final form; None when none does."""
    statement = (
        f"SELECT {now(connection)} - min(next_stitch_at) FROM stitch_queue WHERE next_stitch_at <= {now(connection)}"
    )
    return (await connection.execute(text(statement))).scalar()


async def claim_stitches(connection: AsyncConnection, *, limit: int, timeout_ms: int) -> dict[str, str]:
    """Take up to `limit` requests, the longest waiting first: reference to ticket. Others may take them after the timeout."""
    due = f"""
        SELECT entity_ref FROM stitch_queue WHERE next_stitch_at <= {now(connection)}
        ORDER BY next_stitch_at, entity_ref LIMIT :limit
    """
    chosen = f"IN ({due})" if is_sqlite(connection) else f"= ANY (ARRAY({due} FOR UPDATE SKIP LOCKED))"
    statement = f"""
        UPDATE stitch_queue SET next_stitch_at = {now(connection)} + :timeout WHERE entity_ref {chosen}
        RETURNING entity_ref, stitch_ticket
    """
    rows = await connection.execute(text(statement), {"limit": limit, "timeout": timeout_ms})
    return {row.entity_ref: row.stitch_ticket for row in rows}


async def lock_stitches(connection: AsyncConnection, tickets: Mapping[str, str]) -> set[str]:
    """Those of the claimed references whose ticket still holds; locked until the transaction ends."""
    locking = "" if is_sqlite(connection) else " FOR UPDATE"
    statement = f"""
        SELECT entity_ref, stitch_ticket FROM stitch_queue WHERE entity_ref {among(connection, "refs")}
        ORDER BY entity_ref{locking}
    """
    rows = await connection.execute(text(statement), {"refs": listed(connection, list(tickets))})
    return {row.entity_ref for row in rows if tickets[row.entity_ref] == row.stitch_ticket}


async def release_stitches(connection: AsyncConnection, refs: Collection[str]) -> None:
    """Make claimed requests due again: stitching was interrupted."""
    statement = (
        f"UPDATE stitch_queue SET next_stitch_at = {now(connection)} WHERE entity_ref {among(connection, 'refs')}"
    )
    await connection.execute(text(statement), {"refs": listed(connection, sorted(refs))})


async def postpone_unknown(connection: AsyncConnection, refs: Collection[str]) -> None:
    """Look again later for entities that were not there; take those from the queue that were looked for often enough."""
    if not refs:
        return
    condition = f"entity_ref {among(connection, 'refs')}"
    parameters = {"refs": listed(connection, sorted(refs))}
    statement = f"DELETE FROM stitch_queue WHERE {condition} AND stitch_ticket LIKE '{UNKNOWN}{UNKNOWN}%'"
    await connection.execute(text(statement), parameters)
    statement = f"""
        UPDATE stitch_queue SET stitch_ticket = '{UNKNOWN}' || stitch_ticket, next_stitch_at = {now(connection)}
            + CASE WHEN stitch_ticket LIKE '{UNKNOWN}%' THEN {LAST_LOOK_MS} ELSE {SECOND_LOOK_MS} END
        WHERE {condition}
    """
    await connection.execute(text(statement), parameters)


async def finish_stitches(connection: AsyncConnection, refs: Collection[str]) -> None:
    """Take requests from the queue: their final forms are written."""
    if refs:
        statement = f"DELETE FROM stitch_queue WHERE entity_ref {among(connection, 'refs')}"
        await connection.execute(text(statement), {"refs": listed(connection, sorted(refs))})


async def count_stitches(connection: AsyncConnection) -> int:
    """How many entities wait for their final form, those under way included; not what was looked for in vain."""
    statement = f"SELECT count(*) FROM stitch_queue WHERE stitch_ticket NOT LIKE '{UNKNOWN}%'"
    count: int = (await connection.execute(text(statement))).scalar_one()
    return count
