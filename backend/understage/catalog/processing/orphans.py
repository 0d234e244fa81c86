"""Deletes what nobody emits any more (`catalog.orphanStrategy: delete`), and what only that led to."""

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.delete_states import delete_states, select_orphans
from understage.catalog.store.retry import write_with_retry
from understage.platform.database import Database

log = structlog.get_logger(__name__)

ROUNDS = 100


async def delete_orphans(database: Database) -> int:
    """Delete all orphans, level by level; returns how many entities went."""
    deleted = 0
    for _ in range(ROUNDS):
        async with database.read() as connection:
            if not await select_orphans(connection):
                break
        # Asked again inside of the transaction: somebody may have emitted one meanwhile.
        orphans = await write_with_retry(database, _delete_level)
        deleted += len(orphans)
        log.info("orphans deleted", count=len(orphans), entities=orphans[:10])
    return deleted


async def _delete_level(connection: AsyncConnection) -> list[str]:
    orphans = await select_orphans(connection)
    await delete_states(connection, orphans)
    return orphans
