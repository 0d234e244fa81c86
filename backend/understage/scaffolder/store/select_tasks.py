"""Read tasks: one by id, or a page of a filtered list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.identity.permissions import Criteria
from understage.scaffolder.store.match_tasks import match_tasks
from understage.scaffolder.store.tables import tasks

Order = tuple[Literal["created_at", "status", "created_by"], Literal["asc", "desc"]]


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as it is served; `spec` is JSON text, times are milliseconds."""

    id: str
    spec: str
    status: str
    created_at: int
    last_heartbeat_at: int | None
    created_by: str | None
    is_recoverable: bool


_COLUMNS = tuple(tasks.c[name] for name in StoredTask.__slots__)


async def select_task(connection: AsyncConnection, task_id: str) -> StoredTask | None:
    """One task, None where there is none."""
    row = (await connection.execute(select(*_COLUMNS).where(tasks.c.id == task_id))).first()
    return None if row is None else StoredTask(*row)


async def select_tasks(
    connection: AsyncConnection,
    *,
    created_by: Sequence[str] = (),
    statuses: Sequence[str] = (),
    order: Sequence[Order] = (),
    limit: int | None = None,
    offset: int = 0,
    readable: Criteria | None = None,
) -> tuple[list[StoredTask], int]:
    """A page of the tasks by any of the creators and in any of the states, and how many there are in all.

    `readable` are conditions that they must meet besides.
    Without `order` the newest come first; ties are broken by age. `limit` None means all.
    """
    conditions: list[ColumnElement[bool]] = [
        column.in_(wanted)
        for column, wanted in ((tasks.c.created_by, created_by), (tasks.c.status, statuses))
        if wanted
    ]
    if readable is not None:
        conditions.append(match_tasks(readable))
    total = (await connection.execute(select(func.count()).select_from(tasks).where(*conditions))).scalar_one()
    keys: list[Any] = [_direct(tasks.c[field], direction) for field, direction in order]
    statement = select(*_COLUMNS).where(*conditions, *([false()] if limit == 0 else []))
    statement = statement.order_by(*(keys or [tasks.c.created_at.desc()]), tasks.c.seq.desc())
    # SQLite has no OFFSET without LIMIT.
    page = statement.limit(limit if limit is not None else 2**62).offset(offset)
    return [StoredTask(*row) for row in await connection.execute(page)], total


def _direct(column: ColumnElement[Any], direction: str) -> ColumnElement[Any]:
    return column.asc() if direction == "asc" else column.desc()
