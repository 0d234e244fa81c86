"""Which tasks wait for a worker. Asked by engines that schedule elsewhere, in place of a claim."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.claim_tasks import is_abandoned
from understage.scaffolder.store.tables import tasks


async def select_due(connection: AsyncConnection, *, limit: int) -> list[tuple[str, int]]:
    """(task id, when it was queued) of open and abandoned tasks, those first that were queued first.

    The two together name one life of a task: a retry queues it anew.
    """
    statement = (
        select(tasks.c.id, tasks.c.queued_at)
        .where(or_(tasks.c.status == "open", is_abandoned()))
        .order_by(tasks.c.queued_at, tasks.c.seq)
        .limit(limit)
    )
    return [(row.id, row.queued_at) for row in await connection.execute(statement)]
