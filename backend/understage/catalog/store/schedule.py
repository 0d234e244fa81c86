"""Make entities due now."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed, now
from understage.catalog.store.replace_refresh_keys import stored_key


async def schedule_refs(connection: AsyncConnection, refs: Collection[str], *, forget_result: bool = False) -> int:
    """Make these due; `forget_result` makes their next result count as changed. Returns how many exist."""
    forget = ", result_hash = 'child-was-deleted'" if forget_result else ""
    statement = f"""
        UPDATE refresh_state SET next_update_at = {now(connection)}{forget} WHERE entity_ref {among(connection, "refs")}
    """
    return (await connection.execute(text(statement), {"refs": listed(connection, sorted(refs))})).rowcount


async def schedule_keys(connection: AsyncConnection, keys: Sequence[str]) -> int:
    """Make due what has any of these refresh keys; returns how many entities that are."""
    statement = f"""
        UPDATE refresh_state SET next_update_at = {now(connection)}
        WHERE id IN (SELECT entity_id FROM refresh_keys WHERE key {among(connection, "keys")})
    """
    parameters = {"keys": listed(connection, sorted({stored_key(key) for key in keys}))}
    return (await connection.execute(text(statement), parameters)).rowcount


async def count_due(connection: AsyncConnection) -> int:
    """How many entities wait to be processed."""
    statement = f"SELECT count(*) FROM refresh_state WHERE next_update_at <= {now(connection)}"
    count: int = (await connection.execute(text(statement))).scalar_one()
    return count
