"""Ask for the end of a task."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.finish_task import finish_task
from understage.scaffolder.store.tables import task_events, tasks


async def cancel_task(connection: AsyncConnection, task_id: str) -> None:
    """Note the wish and its event, erase the secrets; a task that has not started ends here.

    The event names the step of the latest event that has one, 0 without such an event, as Backstage does. A line of the step's
    log goes before it: the stock page reads nothing after the event, and shows a step as its lines say.
    """
    statement = select(tasks.c.status).where(tasks.c.id == task_id).with_for_update()
    status = (await connection.execute(statement)).scalar_one()
    latest = (
        select(task_events.c.step_id)
        .where(task_events.c.task_id == task_id, task_events.c.step_id.is_not(None))
        .order_by(task_events.c.id.desc())
        .limit(1)
    )
    step_id = (await connection.execute(latest)).scalar() or 0
    message = f"Step {step_id} has been cancelled."
    body = {"message": message, "stepId": step_id, "status": "cancelled"}
    lines = [NewEvent(task_id, "log", body)] if status == "processing" and step_id else []
    await append_events(connection, [*lines, NewEvent(task_id, "cancelled", body)])
    if status == "open":
        await finish_task(connection, task_id, "failed")
        completion = {
            "message": "Run completed with status: failed",
            "error": {"name": "Error", "message": f"Task {task_id} has been cancelled before it started."},
        }
        await append_events(connection, [NewEvent(task_id, "completion", completion)])
    elif status == "processing":
        await connection.execute(update(tasks).where(tasks.c.id == task_id).values(cancel_requested=True, secrets=None))
