"""Select who owns which entity reference, to decide what an emitted entity may do."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed, slices


class State(NamedTuple):
    """The owner's side of a `refresh_state` row."""

    id: int
    entity_ref: str
    location_key: str | None
    unprocessed_hash: str


async def select_states(connection: AsyncConnection, refs: Sequence[str]) -> dict[str, State]:
    """The rows of these references, by reference."""
    statement = f"""
        SELECT id, entity_ref, location_key, unprocessed_hash FROM refresh_state
        WHERE entity_ref {among(connection, "refs")}
    """
    states: dict[str, State] = {}
    for some in slices(refs):
        rows = await connection.execute(text(statement), {"refs": listed(connection, some)})
        states.update((row[1], State(*row)) for row in rows)
    return states


async def lock_states(
    connection: AsyncConnection, ids: Sequence[int], *, is_shared: bool = False
) -> dict[int, tuple[str, str | None]]:
    """(uid, location key) of the rows that still exist, by id; locked until the transaction ends.

    A shared lock keeps others from changing them, not from locking them so as well.
    """
    if not ids:
        return {}
    lock = " FOR SHARE" if is_shared else " FOR NO KEY UPDATE"
    locking = "" if connection.dialect.name == "sqlite" else lock
    statement = f"""
        SELECT id, uid, location_key FROM refresh_state
        WHERE id {among(connection, "ids", "bigint")} ORDER BY id{locking}
    """
    rows = await connection.execute(text(statement), {"ids": listed(connection, ids)})
    return {row.id: (row.uid, row.location_key) for row in rows}
