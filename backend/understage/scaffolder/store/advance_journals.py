"""What runs store of their progress, past the gate: only the present claim passes, and each transaction passes once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.json import dumps_text
from understage.scaffolder.store.append_events import INSERT_EVENTS, NewEvent, append_events, as_parameter
from understage.scaffolder.store.notify import CHANNEL
from understage.scaffolder.store.tables import tasks

State = Literal["open", "done", "lost"]

# Rows are locked in the order of ids, as renewals take them: two that lock several never wait for one another.
_TOGETHER = text(f"""
    WITH sent AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS sent(task_id text, fence bigint, journal bigint, progress boolean, status text)
    ), mine AS (
        SELECT tasks.seq, sent.progress, sent.status
        FROM tasks JOIN sent ON tasks.id = sent.task_id
        WHERE tasks.fence = sent.fence AND tasks.journal = sent.journal AND tasks.status = 'processing'
        ORDER BY tasks.id FOR UPDATE OF tasks
    ), moved AS (
        UPDATE tasks SET
            journal = tasks.journal + 1,
            deaths = CASE WHEN mine.progress THEN 0 ELSE tasks.deaths END,
            status = coalesce(mine.status, tasks.status),
            secrets = CASE WHEN mine.status IS NULL THEN tasks.secrets END,
            owner = CASE WHEN mine.status IS NULL THEN tasks.owner END,
            lease_until = CASE WHEN mine.status IS NULL THEN tasks.lease_until END
        FROM mine WHERE tasks.seq = mine.seq
        RETURNING tasks.id
    ), added AS (
        {INSERT_EVENTS.replace("ORDER BY", "WHERE task_id IN (SELECT id FROM moved) ORDER BY")}
    )
    SELECT id, pg_notify(:channel, 'event:' || id || ':' || :sender) FROM moved
""")


@dataclass(frozen=True, slots=True)
class Advance:
    """A claim, and the journal number that its run has reached.

    `progress` clears the count of deaths; `status` is the final one and ends the task: its secrets are erased, nobody owns it.
    """

    task_id: str
    fence: int
    journal: int
    progress: bool = False
    status: str | None = None


async def advance_journals(
    connection: AsyncConnection, wanted: Sequence[Advance], events: Sequence[NewEvent], *, sender: str
) -> Mapping[str, State]:
    """Raise the tasks' journal numbers by one, each task's once, add those of the events whose tasks pass, and tell of them.

    The rows are locked until the transaction ends. One statement on PostgreSQL, which may be a transaction of its own.
    "open": go on and write. "done": this transaction was committed before, although its answer got lost. "lost": the claim
    belongs to another one, or the task has ended; write nothing more.
    """
    if connection.dialect.name == "postgresql":
        rows = dumps_text([asdict(each) for each in wanted])
        sent = {"rows": rows, "channel": CHANNEL, "sender": sender, **as_parameter(events)}
        moved = {row[0] for row in await connection.execute(_TOGETHER, sent)}
    else:
        moved = {each.task_id for each in wanted if await _advance(connection, each)}
        await append_events(connection, [event for event in events if event.task_id in moved])
    states: dict[str, State] = dict.fromkeys(moved, "open")
    for each in wanted:
        if each.task_id not in moved:
            states[each.task_id] = "done" if await _is_done(connection, each) else "lost"
    return states


async def _advance(connection: AsyncConnection, each: Advance) -> bool:
    values: dict[str, Any] = {"journal": each.journal + 1}
    if each.progress:
        values["deaths"] = 0
    if each.status is not None:
        values |= {"status": each.status, "secrets": None, "owner": None, "lease_until": None}
    mine = (tasks.c.id == each.task_id, tasks.c.fence == each.fence, tasks.c.journal == each.journal)
    moved = await connection.execute(update(tasks).where(*mine, tasks.c.status == "processing").values(**values))
    return moved.rowcount == 1


async def _is_done(connection: AsyncConnection, each: Advance) -> bool:
    mine = (tasks.c.id == each.task_id, tasks.c.fence == each.fence)
    return (await connection.execute(select(tasks.c.journal).where(*mine))).scalar() == each.journal + 1
