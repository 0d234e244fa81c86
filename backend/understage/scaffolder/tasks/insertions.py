"""One transaction for tasks that are created at the same time. Called by the service for those that wait for their turn.

While a transaction is on its way, others gather for the next one, as `commits` does it for what runs store.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from understage.platform.database import Database
from understage.scaffolder.store.create_task import NewRow, create_open_tasks
from understage.scaffolder.store.notify import notify
from understage.scaffolder.tasks.outage import is_outage

MOST_AT_ONCE = 100


@dataclass(frozen=True)
class _Waiting:
    row: NewRow
    stored: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Insertions:
    """Stores open tasks. `sender` names this process to itself, see `store.notify`. Belongs to one event loop."""

    def __init__(self, database: Database, sender: str) -> None:
        self._database = database
        self._sender = sender
        self._waiting: list[_Waiting] = []
        self._work: asyncio.Task[None] | None = None

    async def store(self, row: NewRow) -> None:
        """Returns when the task is stored durably and announced; raises what kept it from being so."""
        waiting = _Waiting(row)
        self._waiting.append(waiting)
        if self._work is None:
            self._work = asyncio.create_task(self._store_all(), name="insertions of tasks")
        await waiting.stored

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._store_together(together)
        finally:
            self._work = None

    async def _store_together(self, together: Sequence[_Waiting]) -> None:
        rows = [each.row for each in together]
        try:
            async with self._database.write() as connection:
                await create_open_tasks(connection, rows)
                await notify(connection, "queue", *(row.task_id for row in rows), sender=self._sender)
        except Exception as error:
            if len(together) == 1 or is_outage(error):
                _answer(together, error)
                return
            for each in together:  # whose fault it was shows by itself
                await self._store_together([each])
            return
        except BaseException as error:
            _answer(together, error)
            raise
        _answer(together)


def _answer(together: Sequence[_Waiting], error: BaseException | None = None) -> None:
    for each in together:
        if each.stored.done():  # whoever asked has gone
            continue
        if error is None:
            each.stored.set_result(None)
        else:
            each.stored.set_exception(error)
