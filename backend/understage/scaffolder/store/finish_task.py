"""End a task inside of a fenced transaction."""

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import task_workspaces, tasks


async def finish_task(connection: AsyncConnection, task_id: str, status: str) -> None:
    """Set the final status, erase the secrets; after success nobody needs the workspace any more."""
    await connection.execute(
        update(tasks).where(tasks.c.id == task_id).values(status=status, secrets=None, owner=None, lease_until=None)
    )
    if status == "completed":
        await connection.execute(delete(task_workspaces).where(task_workspaces.c.task_id == task_id))
