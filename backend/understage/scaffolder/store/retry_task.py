"""Put an ended task back into the queue."""

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.forget_results import forget_everything, forget_from_failure
from understage.scaffolder.store.tables import task_events, tasks

FINAL = ("cancelled", "completed", "failed", "skipped")


async def retry_task(connection: AsyncConnection, task_id: str, *, secrets: bytes | None) -> bool:
    """Open the task again with new secrets; False when it has not ended.

    It goes on at its first failed step; results before that, checkpoints and workspace are kept. A task of the strategy
    startOver, or one that had completed, begins anew, with its checkpoints.
    """
    locked = select(tasks.c.status, tasks.c.is_recoverable).where(tasks.c.id == task_id).with_for_update()
    status, is_recoverable = (await connection.execute(locked)).one()
    if status not in FINAL:
        return False
    ended = task_events.c.event_type.in_(("cancelled", "completion"))
    await connection.execute(delete(task_events).where(task_events.c.task_id == task_id, ended))
    if is_recoverable or status == "completed":
        await forget_everything(connection, task_id)
    else:
        await forget_from_failure(connection, task_id)
    await connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id)
        .values(
            status="open",
            secrets=secrets,
            queued_at=now_ms(),
            last_heartbeat_at=now_ms(),
            cancel_requested=False,
            resumed=False,
            deaths=0,
        )
    )
    strategy = "startOver" if is_recoverable else "none"
    await append_events(connection, [NewEvent(task_id, "recovered", {"recoverStrategy": strategy})])
    return True
