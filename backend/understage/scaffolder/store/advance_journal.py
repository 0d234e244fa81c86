"""The gate of every write of a run: only the present claim passes, and each transaction passes once."""

from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import tasks


async def advance_journal(
    connection: AsyncConnection, task_id: str, *, fence: int, journal: int, progress: bool = False
) -> Literal["open", "done", "lost"]:
    """Raise the task's journal number from `journal` and lock its row until the transaction ends.

    "open": go on and write. "done": this transaction was committed before, although its answer got lost. "lost": the claim
    belongs to another one, or the task has ended; write nothing more. `progress` clears the count of deaths.
    """
    values = {"journal": journal + 1, **({"deaths": 0} if progress else {})}
    mine = (tasks.c.id == task_id, tasks.c.fence == fence)
    moved = await connection.execute(
        update(tasks).where(*mine, tasks.c.journal == journal, tasks.c.status == "processing").values(**values)
    )
    if moved.rowcount == 1:
        return "open"
    found = (await connection.execute(select(tasks.c.journal).where(*mine))).scalar()
    return "done" if found == journal + 1 else "lost"
