"""Processes new children one after the other, in one task; whoever has to wait is broken off and left out.

Called by `newborns` for children that are stored next, and by `ahead` for those whose parent is still being read.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

import structlog

from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.outcome import Outcome
from understage.catalog.processing.run_entity import Breath, run_entity
from understage.catalog.store.claims import DueEntity
from understage.catalog.store.write_states import UnprocessedEntity
from understage.model.uid import new_uid

log = structlog.get_logger(__name__)

# How many turns of the event loop an entity may need besides its own work, and how many may need more before the rest is left.
TURNS = 3
MOST_WAITING = 10


class OneByOne:
    """Runs what is in `queue`, to which more may be added; `done` is what came of it, in the same order."""

    def __init__(self, orchestrator: Orchestrator, queue: Iterable[UnprocessedEntity] = ()) -> None:
        self.queue = deque(queue)
        self.done: list[tuple[UnprocessedEntity, Outcome]] = []
        self._orchestrator = orchestrator
        self._breath = Breath()
        self._steps = 0
        self._waited = 0

    @property
    def is_slow(self) -> bool:
        """Whether many of them have to wait."""
        return self._waited > MOST_WAITING and 2 * self._waited > self._steps

    async def run(self) -> None:
        """To the end of the queue, or until many wait."""
        while self.queue and not self.is_slow:
            work = asyncio.create_task(self._work())
            try:
                await self._watch(work)
            finally:
                work.cancel()
                await asyncio.wait([work])
            if not work.cancelled() and (error := work.exception()) is not None:
                log.warning("a new entity's result could not be kept, it goes the ordinary way", error=str(error))

    async def _work(self) -> None:
        while self.queue:
            child = self.queue.popleft()
            outcome = await run_entity(self._orchestrator, _claimed(child))
            self.done.append((child, outcome))
            self._steps += 1
            await self._breath.take()

    async def _watch(self, work: asyncio.Task[None]) -> None:
        """Until the work is done, or waits for something."""
        turns = 0
        while not work.done() and turns <= TURNS:
            before = self._steps
            await asyncio.sleep(0)
            turns = turns + 1 if self._steps == before else 0
        if not work.done():
            self._waited += 1


def _claimed(child: UnprocessedEntity) -> DueEntity:
    return DueEntity(0, new_uid(), child.entity_ref, child.json, False, None, None, child.location_key, 0, None)
