"""Children are processed while the location that leads to them is still being read, which waits more than it computes.

`processing.rounds` calls it for locations that nobody has processed yet; `newborns` takes what came of it. Nothing is stored
before the location is read to its end: only then is it known whether all of it is good.
"""

import asyncio
from collections.abc import Iterable

from understage.catalog.processing.collector import Child
from understage.catalog.processing.one_by_one import OneByOne
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.outcome import Outcome, make_row
from understage.catalog.processing.run_entity import run_entity
from understage.catalog.store.claims import DueEntity
from understage.catalog.store.write_states import UnprocessedEntity
from understage.errors import InputError

MOST = 5000
"""So many outcomes may wait for their parent; the other children are processed after it."""


async def run_location(orchestrator: Orchestrator, claimed: DueEntity) -> Outcome:
    """`run_entity`, with the outcomes of children in `early`."""
    ahead = _Ahead(orchestrator)
    try:
        outcome = await run_entity(orchestrator, claimed, offer=ahead.offer, row_of=ahead.row_of)
    finally:
        await ahead.end()
    outcome.early = ahead.outcomes
    return outcome


class _Ahead:
    """Processes the children of one location while there is time for it."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._one_by_one = OneByOne(orchestrator)
        self._rows: dict[str, tuple[Child, UnprocessedEntity]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def outcomes(self) -> dict[str, tuple[UnprocessedEntity, Outcome]]:
        """By reference, each with the row that it is the outcome of."""
        return {row.entity_ref: (row, outcome) for row, outcome in self._one_by_one.done}

    def offer(self, children: Iterable[Child]) -> None:
        """Process these, of kinds that are allowed, as soon as nothing else is to be done."""
        for child in children:
            if len(self._rows) >= MOST:
                break
            if child.ref.startswith("location:"):
                continue
            try:
                row = make_row(child)
            except InputError:
                # The location's outcome tells of it.
                continue
            self._rows[child.ref] = (child, row)
            self._one_by_one.queue.append(row)
        if self._one_by_one.queue and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._one_by_one.run())

    async def end(self) -> None:
        """What is not done by now is processed after the location, as everything is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def row_of(self, child: Child) -> UnprocessedEntity:
        """The row of a child, made once; another one of the same name, emitted later, has its own."""
        offered, row = self._rows.get(child.ref, (None, None))
        return row if row is not None and offered is child else make_row(child)
