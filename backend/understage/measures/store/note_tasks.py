"""Note that tasks were looked at, and forget those that are no longer asked about."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.store.tables import tasks
from understage.measures.store.upsert import upsert


async def note_tasks(connection: AsyncConnection, ids: Sequence[str], at: int, *, forget_before: int) -> None:
    """Remember the ids as of `at`."""
    await upsert(connection, tasks, [{"id": task, "seen_at": at} for task in ids], unique=("id",))
    await connection.execute(delete(tasks).where(tasks.c.seen_at < forget_before))
