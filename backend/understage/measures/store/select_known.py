"""What is stored already, so that sources are not asked for it again. Called by `collection`."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.events import Health
from understage.measures.store.tables import deployments, healths, tasks

Key = tuple[str, str, int]
AT_ONCE = 5000


async def select_known_deployments(connection: AsyncConnection, applications: Sequence[str]) -> set[Key]:
    """Application, revision and time of all deployments of these applications."""
    found: set[Key] = set()
    for begin in range(0, len(applications), AT_ONCE):
        wanted = applications[begin : begin + AT_ONCE]
        statement = select(deployments.c.application, deployments.c.revision, deployments.c.at).where(
            deployments.c.application.in_(wanted)
        )
        found.update((row[0], row[1], row[2]) for row in await connection.execute(statement))
    return found


async def select_last_healths(connection: AsyncConnection, applications: Sequence[str]) -> dict[str, Health]:
    """What was seen last of each of these applications."""
    found: dict[str, Health] = {}
    for begin in range(0, len(applications), AT_ONCE):
        latest = (
            select(func.max(healths.c.at).label("at"), healths.c.application)
            .where(healths.c.application.in_(applications[begin : begin + AT_ONCE]))
            .group_by(healths.c.application)
            .subquery()
        )
        statement = (
            select(healths.c.application, healths.c.at, healths.c.status)
            .join_from(healths, latest, (healths.c.application == latest.c.application) & (healths.c.at == latest.c.at))
            .order_by(healths.c.id)
        )
        found.update((row.application, Health(**row._mapping)) for row in await connection.execute(statement))
    return found


async def select_known_tasks(connection: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Which of these tasks were looked at."""
    rows = await connection.execute(select(tasks.c.id).where(tasks.c.id.in_(list(ids))))
    return set(rows.scalars())
