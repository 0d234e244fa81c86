"""Delete entities with all that belongs to them, and ask for new final forms of those they had relations with."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed
from understage.catalog.store.changes import record_change
from understage.catalog.store.conflicts import select_claims_of
from understage.catalog.store.stitch_queue import enqueue_stitch


async def delete_states(connection: AsyncConnection, refs: Collection[str]) -> int:
    """Delete by reference; returns how many there were."""
    if not refs:
        return 0
    parameters = {"refs": listed(connection, sorted(refs))}
    statement = f"""
        SELECT DISTINCT source_entity_ref FROM relations WHERE originating_entity_id IN
        (SELECT id FROM refresh_state WHERE entity_ref {among(connection, "refs")})
    """
    peers = {row[0] for row in await connection.execute(text(statement), parameters)}
    # What the deleted ones emitted may have no other source: its orphan mark is part of its final form.
    statement = f"""
        SELECT DISTINCT target_entity_ref FROM refresh_state_references
        WHERE source_entity_ref {among(connection, "refs")}
    """
    children = {row[0] for row in await connection.execute(text(statement), parameters)}
    contested = await select_claims_of(connection, refs)
    # In this order, as a commit of processed entities takes its locks.
    statement = f"DELETE FROM refresh_state WHERE entity_ref {among(connection, 'refs')}"
    deleted = (await connection.execute(text(statement), parameters)).rowcount
    statement = f"DELETE FROM stitch_queue WHERE entity_ref {among(connection, 'refs')}"
    await connection.execute(text(statement), parameters)
    await enqueue_stitch(connection, (peers | children | contested) - set(refs))
    if deleted:
        await record_change(connection)
    return deleted


async def select_orphans(connection: AsyncConnection) -> list[str]:
    """The references of entities that nobody emits any more."""
    statement = """
        SELECT entity_ref FROM refresh_state s
        WHERE NOT EXISTS (SELECT 1 FROM refresh_state_references r WHERE r.target_entity_ref = s.entity_ref)
    """
    return [row[0] for row in await connection.execute(text(statement))]


async def select_ref_by_uid(connection: AsyncConnection, uid: str) -> str | None:
    """The reference of the entity with this uid, processed or not."""
    statement = text("SELECT entity_ref FROM refresh_state WHERE uid = :uid")
    ref: str | None = (await connection.execute(statement, {"uid": uid.lower()})).scalar_one_or_none()
    return ref
