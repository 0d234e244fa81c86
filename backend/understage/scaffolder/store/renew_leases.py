"""Keep or give back claims."""

from collections.abc import Collection

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.tables import tasks


async def renew_leases(
    connection: AsyncConnection, task_ids: Collection[str], *, owner: str, lease_ms: int
) -> dict[str, tuple[int, bool]]:
    """Renew claims of `owner`; returns those it still has: task id -> (fence, whether cancelling was asked for)."""
    mine = (tasks.c.id.in_(task_ids), tasks.c.owner == owner, tasks.c.status == "processing")
    # In the order of ids, as `advance_journals` takes them: two that lock several rows never wait for one another.
    locked = select(tasks.c.seq).where(*mine).order_by(tasks.c.id).with_for_update().cte("locked")
    statement = (
        update(tasks)
        .where(tasks.c.seq.in_(select(locked.c.seq)))
        .values(lease_until=now_ms() + lease_ms, last_heartbeat_at=now_ms())
        .returning(tasks.c.id, tasks.c.fence, tasks.c.cancel_requested)
    )
    return {row[0]: (row[1], bool(row[2])) for row in await connection.execute(statement)}


async def release_claim(connection: AsyncConnection, task_id: str, fence: int) -> None:
    """Let anybody continue the task at once. Without an owner it does not count as a death."""
    await connection.execute(
        update(tasks)
        .where(and_(tasks.c.id == task_id, tasks.c.fence == fence, tasks.c.status == "processing"))
        .values(lease_until=0, owner=None)
    )
