"""A mark of each transaction that changed what is served, so that answers can be kept as long as none is new.

A row an inserting transaction, never updated: nobody waits for anybody. Not the highest number alone tells what is new, because
transactions are committed in another order than they draw numbers.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import now

KEPT_MS = 60_000

Version = tuple[int, int, int]

# The sum tells what is forgotten from what is new, and numbers that are drawn a second time after a crash of the database from
# those that were lost: what comes later has a higher number or a later time.
SELECT_VERSION = "SELECT count(*), coalesce(max(id), 0), CAST(coalesce(sum(id + at), 0) AS BIGINT) FROM catalog_changes"


async def record_change(connection: AsyncConnection) -> None:
    """Note that this transaction changes what is served."""
    at = now(connection)
    await connection.execute(text(f"DELETE FROM catalog_changes WHERE at < {at} - {KEPT_MS} - {KEPT_MS}"))
    await connection.execute(text(f"INSERT INTO catalog_changes (at) VALUES ({at})"))


async def select_version(connection: AsyncConnection) -> Version:
    """Another one than before if what is served has changed; whoever asks must ask before looking at what is served."""
    row = (await connection.execute(text(SELECT_VERSION))).one()
    return row[0], row[1], row[2]
