"""Put an ended task back into the queue."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.tables import task_checkpoints, task_events, task_steps, task_workspaces, tasks

ITERATION_KEY = "understage.each#"
"""What the checkpoint keys of finished loop items begin with; the interpreter makes them."""

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
    forgotten = [task_steps.c.task_id == task_id]
    if is_recoverable or status == "completed":
        await connection.execute(delete(task_workspaces).where(task_workspaces.c.task_id == task_id))
    else:
        failed = (
            select(func.min(task_steps.c.position))
            .where(task_steps.c.task_id == task_id, task_steps.c.status == "failed")
            .scalar_subquery()
        )
        forgotten.append(task_steps.c.position >= failed)
    # A completed step that runs again runs its loop from the start; a failed one goes on at the item that failed.
    again = select(task_steps.c.step_id).where(*forgotten, task_steps.c.status == "completed")
    iterations = (
        task_checkpoints.c.task_id == task_id,
        task_checkpoints.c.key.startswith(ITERATION_KEY, autoescape=True),
    )
    anew = len(forgotten) == 1
    await connection.execute(
        delete(task_checkpoints).where(*iterations, *([] if anew else [task_checkpoints.c.step_id.in_(again)]))
    )
    await connection.execute(delete(task_steps).where(*forgotten))
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
