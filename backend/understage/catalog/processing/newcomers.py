"""Takes in the children that nobody has seen yet: processed, stored and served in one transaction.

Called by `processing.rounds` between a batch and its commit, so that a new entity costs one row a table instead of a turn in
each queue. Only for the ordinary case: what has errors, leads to other entities, is given by two, waits for a slow place or
exists already is left to the commit of its parent, which queues it. Parents are committed after their children: after a
crash in between they are processed again.
"""

import asyncio
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from understage.catalog.processing import measures
from understage.catalog.processing.admission import Newcomer, admit, build_forms
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.holdings import Holdings
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.outcome import Outcome
from understage.catalog.stitching.rounds import stitched
from understage.catalog.store.claims import DueEntity
from understage.catalog.store.retry import LostRace, write_with_retry
from understage.catalog.store.select_states import select_states
from understage.catalog.store.write_states import UnprocessedEntity
from understage.platform.database import Database
from understage.platform.json import loads

log = structlog.get_logger(__name__)

CHUNK = 1000
CONCURRENCY = 64
PATIENCE = 1.0
LONGEST = 10.0
"""Seconds that a chunk may take to be processed: places that slow are no business of a commit that others wait for."""
SLICE = 0.005

Candidate = tuple[DueEntity, UnprocessedEntity]
"""A parent, and a child of it."""


class Newcomers:
    """Those of one process. `interval` as in `ProcessingRounds`."""

    def __init__(
        self, database: Database, orchestrator: Orchestrator, holdings: Holdings, *, interval: tuple[float, float]
    ) -> None:
        self._database = database
        self._orchestrator = orchestrator
        self._holdings = holdings
        self._interval = interval
        self._is_closing = False

    def close(self) -> None:
        """Take in no more: what is left is queued by the commits of the parents."""
        self._is_closing = True

    async def take_in(self, outcomes: Sequence[Outcome]) -> None:
        """Take in the new children of changed outcomes, a chunk being written while the next is processed."""
        candidates = await self._select(outcomes)
        writing: asyncio.Task[None] | None = None
        for start in range(0, len(candidates), CHUNK):
            if self._is_closing:
                break
            began = time.perf_counter()
            newcomers = await self._process(candidates[start : start + CHUNK])
            is_slow = time.perf_counter() - began > LONGEST
            if writing is not None:
                await writing
            await self._holdings.renew()
            writing = asyncio.create_task(self._write(newcomers))
            if is_slow:
                break
        if writing is not None:
            await writing

    async def _select(self, outcomes: Sequence[Outcome]) -> list[Candidate]:
        """Children of good outcomes that are in the catalog under no owner, and are given once."""
        found: list[Candidate] = []
        for outcome in outcomes:
            if not outcome.result.ok:
                continue
            for child, stored in zip(outcome.result.children, outcome.children, strict=True):
                # Locations lead to others.
                if child.entity["kind"].lower() != "location":
                    found.append((outcome.claimed, stored))
        if not found:
            return []
        given = Counter(child.entity_ref for outcome in outcomes for child in outcome.children)
        async with self._database.read() as connection:
            known = await select_states(connection, [child.entity_ref for _, child in found])
        return [item for item in found if given[item[1].entity_ref] == 1 and item[1].entity_ref not in known]

    async def _process(self, candidates: Sequence[Candidate]) -> list[Newcomer]:
        queue = deque(candidates)
        found: list[Newcomer] = []
        workers = {asyncio.create_task(self._work(queue, found)) for _ in range(min(len(queue), CONCURRENCY))}
        try:
            while workers:
                before = (len(queue), len(found))
                _, workers = await asyncio.wait(workers, timeout=PATIENCE)
                if (len(queue), len(found)) == before:
                    # All wait for slow places.
                    break
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return await build_forms(found)

    async def _work(self, queue: deque[Candidate], found: list[Newcomer]) -> None:
        yielded = time.perf_counter()
        while queue:
            parent, child = queue.popleft()
            newcomer = await self._run(parent, child)
            if newcomer is not None:
                found.append(newcomer)
            if time.perf_counter() - yielded > SLICE:
                # The API answers between two entities.
                await asyncio.sleep(0)
                yielded = time.perf_counter()

    async def _run(self, parent: DueEntity, child: UnprocessedEntity) -> Newcomer | None:
        began = time.perf_counter()
        cache = EntityCache(None)
        try:
            result = await self._orchestrator.process(loads(child.json), cache, with_positions=False)
        except Exception:
            # What is wrong is told when its turn comes.
            return None
        if not result.ok or result.children or result.superseded:
            return None
        claimed = DueEntity(
            0, str(uuid.uuid4()), child.entity_ref, child.json, False, None, None, child.location_key, 0, None
        )
        outcome = Outcome.of(claimed, result, None)
        if not result.ok or outcome.entity_json is None:
            return None
        outcome.cache = cache.to_store(ok=True)
        measures.processors_duration.record(time.perf_counter() - began, {"result": "ok"})
        return Newcomer(parent, child, outcome)

    async def _write(self, newcomers: Sequence[Newcomer]) -> None:
        if not newcomers:
            return
        interval_ms = int(random.uniform(*self._interval) * 1000)
        try:
            count = await write_with_retry(
                self._database,
                lambda write: admit(write, newcomers, interval_ms=interval_ms),
                is_derived=True,
            )
        except (DBAPIError, LostRace):
            log.exception("new entities could not be written together, they are queued one by one")
            return
        if count:
            measures.processed.add(count, {"result": "changed"})
            stitched.add(count, {"result": "changed"})
