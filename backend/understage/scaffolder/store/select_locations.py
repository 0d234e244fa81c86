"""Where the snapshots of tasks are, outside of the database."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.select_running import CHUNK
from understage.scaffolder.store.tables import task_workspaces, tasks


async def select_locations(
    connection: AsyncConnection, task_ids: Collection[str]
) -> dict[str, tuple[bool, str | None]]:
    """(whether it is under way, the location in force) of those tasks that there are."""
    joined = tasks.outerjoin(task_workspaces, tasks.c.id == task_workspaces.c.task_id)
    columns = (tasks.c.id, tasks.c.status, task_workspaces.c.location)
    found: dict[str, tuple[bool, str | None]] = {}
    ordered = sorted(task_ids)
    for start in range(0, len(ordered), CHUNK):
        chosen = tasks.c.id.in_(ordered[start : start + CHUNK])
        for row in await connection.execute(select(*columns).select_from(joined).where(chosen)):
            found[row.id] = (row.status == "processing", row.location)
    return found
