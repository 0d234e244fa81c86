"""What is stored of deployments and health, for figures."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.events import Deployment, Health, Service
from understage.measures.store.tables import deployments, healths, starts


async def select_deployments(
    connection: AsyncConnection, environments: Sequence[str], begin: int, end: int
) -> list[Deployment]:
    """Those of the environments from `begin` to before `end`, by time.

    Each application's last one before `begin` is among them, as it says what ran then.
    """
    columns = [column for column in deployments.c if column.name != "id"]
    chosen = select(*columns).where(deployments.c.environment.in_(environments), deployments.c.at < end)
    before = (
        select(deployments.c.application, func.max(deployments.c.at).label("at"))
        .where(deployments.c.environment.in_(environments), deployments.c.at < begin)
        .group_by(deployments.c.application)
        .subquery()
    )
    latest = chosen.join_from(
        deployments,
        before,
        (deployments.c.application == before.c.application) & (deployments.c.at == before.c.at),
    )
    rows = [
        *(await connection.execute(latest)).all(),
        *(await connection.execute(chosen.where(deployments.c.at >= begin))).all(),
    ]
    return sorted((Deployment(**row._mapping) for row in rows), key=lambda each: each.at)


async def select_healths(connection: AsyncConnection, environments: Sequence[str], begin: int) -> list[Health]:
    """Those from `begin` on, of applications that were deployed to the environments, as they happened."""
    deployed = select(deployments.c.application).where(deployments.c.environment.in_(environments))
    statement = (
        select(healths.c.application, healths.c.at, healths.c.status)
        .where(healths.c.application.in_(deployed), healths.c.at >= begin)
        .order_by(healths.c.at, healths.c.id)
    )
    return [Health(**row._mapping) for row in await connection.execute(statement)]


async def select_starts(connection: AsyncConnection) -> dict[Service, int]:
    """When each service began: the earliest that a task, somebody, or a commit of a deployed revision says."""
    told = select(starts.c.service, func.min(starts.c.at)).group_by(starts.c.service)
    committed = (
        select(deployments.c.service, func.min(deployments.c.committed_at))
        .where(deployments.c.committed_at.is_not(None))
        .group_by(deployments.c.service)
    )
    found: dict[Service, int] = {}
    for statement in (told, committed):
        for service, at in await connection.execute(statement):
            found[service] = min(at, found.get(service, at))
    return found


async def select_first_production(connection: AsyncConnection, environments: Sequence[str]) -> dict[Service, int]:
    """When an application of each service was first healthy after its first sync to one of the environments."""
    first = (
        select(deployments.c.service, deployments.c.application, func.min(deployments.c.at).label("at"))
        .where(deployments.c.environment.in_(environments))
        .group_by(deployments.c.service, deployments.c.application)
        .subquery()
    )
    statement = (
        select(first.c.service, func.min(healths.c.at))
        .join_from(first, healths, (healths.c.application == first.c.application) & (healths.c.at >= first.c.at))
        .where(healths.c.status == "Healthy")
        .group_by(first.c.service)
    )
    return {service: at for service, at in await connection.execute(statement)}
