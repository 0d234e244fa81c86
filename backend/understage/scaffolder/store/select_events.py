"""Read the events of a task, and ask which tasks have new ones."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import task_events

CHUNK = 500


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event; `body` is JSON text, `created_at` milliseconds."""

    id: int
    type: str
    body: str
    created_at: int


async def select_events(
    connection: AsyncConnection, task_id: str, *, after: int | None = None, with_completion: bool = True
) -> list[StoredEvent]:
    """Events with an id above `after`, ascending; `with_completion` adds completions whatever their id."""
    columns = (task_events.c.id, task_events.c.event_type, task_events.c.body, task_events.c.created_at)
    statement = select(*columns).where(task_events.c.task_id == task_id).order_by(task_events.c.id)
    if after is not None:
        newer = task_events.c.id > after
        statement = statement.where(or_(newer, task_events.c.event_type == "completion") if with_completion else newer)
    return [StoredEvent(*row) for row in await connection.execute(statement)]


async def select_last_event_ids(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, int]:
    """The highest event id of each task that has events."""
    found: dict[str, int] = {}
    ordered = list(task_ids)
    for start in range(0, len(ordered), CHUNK):
        statement = (
            select(task_events.c.task_id, func.max(task_events.c.id))
            .where(task_events.c.task_id.in_(ordered[start : start + CHUNK]))
            .group_by(task_events.c.task_id)
        )
        found.update({row[0]: row[1] for row in await connection.execute(statement)})
    return found
