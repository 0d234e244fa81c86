"""Owners by session, on PostgreSQL: a process holds a lock by the session that renews its leases.

The server lets go of the lock when the session ends, which is at once when the process does. A lock that is held says that there
is somebody, however silent; one that is free, of an owner that was silent for a while, that there is nobody any more.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_HELD = "owner_lock"
_HOLD = text("SELECT pg_try_advisory_lock(hashtextextended(:owner, 0))")
_FREE = text(
    "SELECT owner FROM unnest(CAST(:owners AS text[])) AS owner "
    "WHERE pg_try_advisory_xact_lock(hashtextextended(owner, 0)) ORDER BY owner"
)


async def hold_session(connection: AsyncConnection, owner: str) -> None:
    """Have the session of this connection hold the owner's lock, for as long as it lasts; asked once a session."""
    if _HELD not in connection.info and (await connection.execute(_HOLD, {"owner": owner})).scalar():
        connection.info[_HELD] = owner


async def select_without_session(connection: AsyncConnection, owners: Sequence[str]) -> list[str]:
    """Those whose lock nobody holds. Until the transaction ends it holds them itself."""
    return list((await connection.execute(_FREE, {"owners": list(owners)})).scalars())
