"""Who says something about entities, and who adds entities that are served at once, do not miss each other.

On PostgreSQL neither sees what the other has not committed: an entity would be served without a relation, and nobody told to
stitch it again. Commits of processing share this lock before they write relations, additions hold it before they read them;
each keeps it until the transaction ends. SQLite has one writer.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import is_sqlite

KEY = 7007_0002  # any number, the same in every replica


async def share_relations(connection: AsyncConnection) -> None:
    """Before relations are written whose sources may be added meanwhile."""
    if not is_sqlite(connection):
        await connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": KEY})


async def hold_relations(connection: AsyncConnection) -> None:
    """Before the relations are read of entities that this transaction adds."""
    if not is_sqlite(connection):
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEY})
