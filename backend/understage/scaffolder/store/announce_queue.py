"""Tell tasks that wait how many are ahead of them."""

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.tables import task_events, tasks

AT_ONCE = 100


async def announce_queue(connection: AsyncConnection, reason: str) -> list[str]:
    """Write a log line with the reason into each open task that has no event yet; returns their ids."""
    told = select(task_events.c.id).where(task_events.c.task_id == tasks.c.id).exists()
    waiting = (
        select(tasks.c.id, tasks.c.queued_at, tasks.c.seq)
        .where(tasks.c.status == "open", ~told)
        .order_by(tasks.c.queued_at, tasks.c.seq)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = (await connection.execute(waiting)).all()
    if not rows:
        return []
    first = rows[0]
    before = or_(
        tasks.c.queued_at < first.queued_at, and_(tasks.c.queued_at == first.queued_at, tasks.c.seq < first.seq)
    )
    open_before = select(func.count()).select_from(tasks).where(tasks.c.status == "open", before)
    ahead = (await connection.execute(open_before)).scalar_one()
    events = [NewEvent(row.id, "log", {"message": _message(ahead + index, reason)}) for index, row in enumerate(rows)]
    await append_events(connection, events)
    return [row.id for row in rows]


def _message(ahead: int, reason: str) -> str:
    queue = "it is next" if ahead == 0 else f"queued behind {ahead} task{'s' if ahead > 1 else ''}"
    return f"Waiting to start, {queue}: {reason}"
