"""Take tasks to run: new ones, and those whose owner's lease is past."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.append_events import NewEvent, append_events
from understage.scaffolder.store.tables import tasks


@dataclass(frozen=True, slots=True)
class Claim:
    """A task and the right to run it: every write of the run names `fence` and the next `journal` number."""

    task_id: str
    fence: int
    journal: int
    spec: str
    secrets: bytes | None
    created_by: str | None
    is_recoverable: bool
    resumed: bool
    deaths: int
    cancel_requested: bool
    traceparent: str | None
    waited_ms: int


def is_abandoned() -> ColumnElement[bool]:
    """Whether a task under way is nobody's any more."""
    return and_(tasks.c.status == "processing", tasks.c.lease_until < now_ms())


async def claim_tasks(
    connection: AsyncConnection,
    *,
    owner: str,
    limit: int,
    lease_ms: int,
    running: Collection[str] = (),
    takes_over: bool = True,
) -> list[Claim]:
    """Claim up to `limit` tasks, those first that were queued first; a resumed one gets its `recovered` event.

    `running` are those that the caller still runs itself: a late renewal is no reason to start them twice. Unless it
    `takes_over`, those whose lease is past are left alone.
    """
    due = tasks.c.status == "open"
    if takes_over:
        due = or_(due, and_(is_abandoned(), tasks.c.id.not_in(running)))
    chosen = (
        select(tasks.c.seq)
        .where(due)
        .order_by(tasks.c.queued_at, tasks.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    return await _take(connection, tasks.c.seq.in_(select(chosen.c.seq)), owner=owner, lease_ms=lease_ms)


async def claim_task(
    connection: AsyncConnection, task_id: str, *, owner: str, lease_ms: int, continues: bool
) -> Claim | None:
    """Claim one task, whoever has it; None when it has ended. For an engine that knows by itself whose turn it is.

    `continues`: the run before handed it on as planned, between two steps; nothing is recovered.
    """
    chosen = and_(tasks.c.id == task_id, tasks.c.status.in_(("open", "processing")))
    claims = await _take(connection, chosen, owner=owner, lease_ms=lease_ms, continues=continues)
    return claims[0] if claims else None


async def _take(
    connection: AsyncConnection, chosen: ColumnElement[bool], *, owner: str, lease_ms: int, continues: bool = False
) -> list[Claim]:
    died = and_(tasks.c.status == "processing", tasks.c.owner.is_not(None))
    statement = (
        update(tasks)
        .where(chosen)
        .values(
            status="processing",
            owner=owner,
            fence=tasks.c.fence + 1,
            lease_until=now_ms() + lease_ms,
            last_heartbeat_at=now_ms(),
            resumed=false() if continues else tasks.c.status == "processing",
            deaths=tasks.c.deaths if continues else tasks.c.deaths + case((died, 1), else_=0),
        )
        .returning(
            tasks.c.id,
            tasks.c.fence,
            tasks.c.journal,
            tasks.c.spec,
            tasks.c.secrets,
            tasks.c.created_by,
            tasks.c.is_recoverable,
            tasks.c.resumed,
            tasks.c.deaths,
            tasks.c.cancel_requested,
            tasks.c.traceparent,
            tasks.c.last_heartbeat_at - tasks.c.queued_at,
            tasks.c.queued_at,
            tasks.c.seq,
        )
    )
    rows = sorted(await connection.execute(statement), key=lambda row: (row[-2], row[-1]))
    claims = [Claim(*row[:-2]) for row in rows]
    await append_events(connection, [_recovered(claim) for claim in claims if claim.resumed])
    return claims


def _recovered(claim: Claim) -> NewEvent:
    strategy = "startOver" if claim.is_recoverable else "none"
    return NewEvent(claim.task_id, "recovered", {"recoverStrategy": strategy})
