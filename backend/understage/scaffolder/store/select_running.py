"""Which tasks are under way."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import tasks

CHUNK = 500


async def select_running(connection: AsyncConnection, task_ids: Collection[str]) -> set[str]:
    """Those of the tasks that somebody runs, or is about to continue."""
    found: set[str] = set()
    ordered = list(task_ids)
    for start in range(0, len(ordered), CHUNK):
        chosen = tasks.c.id.in_(ordered[start : start + CHUNK])
        found |= set(await connection.scalars(select(tasks.c.id).where(chosen, tasks.c.status == "processing")))
    return found
