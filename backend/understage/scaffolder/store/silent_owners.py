"""Owners of running tasks that have not renewed their leases for a while, and the end of leases whose owners are gone."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.tables import tasks


def _is_silent(silence_ms: int) -> ColumnElement[bool]:
    return and_(tasks.c.status == "processing", tasks.c.last_heartbeat_at < now_ms() - silence_ms)


async def select_silent_owners(connection: AsyncConnection, *, but: str, silence_ms: int) -> list[str]:
    """Whoever owns a task by a lease that is not past, and said nothing for that long; `but` is the caller."""
    holds = and_(tasks.c.owner != but, tasks.c.lease_until >= now_ms())
    statement = select(tasks.c.owner).where(_is_silent(silence_ms), holds).distinct()
    return [str(owner) for owner in await connection.scalars(statement)]


async def end_leases(connection: AsyncConnection, owners: Collection[str], *, silence_ms: int) -> None:
    """Leave the tasks of these owners to others, unless they were heard of meanwhile."""
    await connection.execute(
        update(tasks).where(_is_silent(silence_ms), tasks.c.owner.in_(owners)).values(lease_until=0)
    )
