"""The processing rounds: claim what is due, run it through the orchestrator, commit it, again.

`CatalogEngine` repeats `run` by a loop. Entities of a round run concurrently; one that waits for a slow place does not hold
up the others: after a second the round commits what is done, and the straggler goes into a later commit.
The claims of a round are in the database (`store.claims`); `processing.holdings` keeps count of them in this process.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from understage.catalog.processing import measures
from understage.catalog.processing.ahead import run_location
from understage.catalog.processing.commit import Batch, commit_outcomes, sort_outcomes
from understage.catalog.processing.holdings import Holdings
from understage.catalog.processing.newborns import Newborns
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.outcome import Outcome
from understage.catalog.processing.run_entity import Breath, run_entity
from understage.catalog.store.claims import DueEntity, finish_claims, longest_delay_ms
from understage.catalog.store.retry import LostRace, write_with_retry
from understage.platform.database import Database
from understage.platform.scheduler import Trailing

log = structlog.get_logger(__name__)

BATCH = 1000
CONCURRENCY = 64
PATIENCE = 1.0


class ProcessingRounds:
    """Processes due entities of one database. `interval` is the shortest and longest pause of an entity, in seconds.

    `on_commit` is called after each commit that gave work to the stitching, `tell` with all that was committed.
    """

    def __init__(
        self,
        database: Database,
        orchestrator: Orchestrator,
        *,
        interval: tuple[float, float],
        on_commit: Callable[[], None],
        wake: Callable[[], None],
        tell: Callable[[list[Outcome]], None],
    ) -> None:
        self._database = database
        self._orchestrator = orchestrator
        self._interval = interval
        self._on_commit = on_commit
        self._wake = wake
        self._tell = tell
        self._queue: deque[DueEntity] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._holdings = Holdings(database)
        self._done: list[Outcome] = []
        self._claim_task: asyncio.Task[int] | None = None
        self._newborns = Newborns(database, orchestrator, interval=interval, on_commit=on_commit)
        self._committing = Trailing()
        self._is_claiming = False
        self._breath = Breath()
        self.claims = 0
        """How many claims were made so far: who counts what is pending sees by it that one happened meanwhile."""

    @property
    def under_way(self) -> int:
        """How many entities are claimed and not committed, at least one while a claim is being made."""
        return max(len(self._holdings), int(self._is_claiming))

    async def run(self) -> bool:
        """One round. True when there may be more to do at once.

        Its commit goes on while the next round claims and processes; rounds are committed one by one, in order.
        """
        began = time.perf_counter()
        self._claim_task = asyncio.create_task(self._claim())
        # A claim that is cut off may be committed all the same: `close` waits for it.
        claimed = await asyncio.shield(self._claim_task)
        if not claimed and await self._committing.end():
            # What it led to is due now.
            return True
        if not claimed and not self._workers and not self._done:
            await self._holdings.keep()
            await measures.processors_durations.tell()
            return False
        # Those that wait for a slow place since a round before hold up nobody; their end wakes the loop.
        if waited_for := self._start_workers() or self._workers:
            await asyncio.wait(waited_for, timeout=PATIENCE)
        # First: when it failed, what is done now stays, for the next round to commit.
        await self._committing.end()
        done, self._done = self._done, []
        self._committing.begin(self._finish(done, claimed, began))
        return bool(claimed or done)

    async def _finish(self, done: list[Outcome], claimed: int, began: float) -> None:
        self._claim_anew(done)
        with measures.tracer.start_as_current_span("catalog process") as span:
            try:
                batch = await sort_outcomes(self._database, done)
                await self._newborns.bring_up(batch.changed, lambda: self._keep(done))
                await self._commit(batch)
                self._tell(done)
            finally:
                # What could not be committed is claimed until the time limit; then it is somebody's again.
                self._holdings.drop([outcome.claimed for outcome in done])
            await self._holdings.keep()
            span.set_attributes({"catalog.claimed": claimed, "catalog.changed": len(batch.changed)})
        self._measure(batch, time.perf_counter() - began)

    async def _keep(self, done: list[Outcome]) -> None:
        await self._holdings.keep()
        self._claim_anew(done)

    def _claim_anew(self, done: list[Outcome]) -> None:
        for outcome in done:
            outcome.claimed = self._holdings.current(outcome.claimed)

    async def close(self) -> None:
        """Stop what is running, and make what is not committed due again for another start or replica."""
        if self._claim_task is not None:
            await asyncio.gather(self._claim_task, return_exceptions=True)
        self._newborns.stop()
        await self._committing.settle()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._queue.clear()
        self._done.clear()
        await self._holdings.release_all()

    async def _claim(self) -> int:
        # One batch is being committed while the next is processed.
        room = min(BATCH, 2 * BATCH - len(self._holdings))
        async with self._database.read() as connection:
            delay = await longest_delay_ms(connection)
        if delay is None or room <= 0:
            return 0
        measures.queue_delay.record(delay / 1000)
        interval = int(random.uniform(*self._interval) * 1000)
        self.claims += 1
        self._is_claiming = True
        try:
            new = await self._holdings.claim(room, interval_ms=interval)
        finally:
            self._is_claiming = False
        self._queue.extend(new)
        return len(new)

    def _start_workers(self) -> set[asyncio.Task[None]]:
        started = {asyncio.create_task(self._work()) for _ in range(min(len(self._queue), CONCURRENCY))}
        for worker in started:
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return started

    async def _work(self) -> None:
        waited = False
        while self._queue:
            entity = self._queue.popleft()
            began = time.perf_counter()
            try:
                run = run_location if _is_new_location(entity) else run_entity
                outcome = await run(self._orchestrator, entity)
                # After the await, on its own line: a commit meanwhile puts a new list in place.
                self._done.append(outcome)
            except Exception:
                # Its next try is in the next interval.
                log.exception("an entity's result could not be kept", entity=entity.entity_ref)
                self._holdings.drop([entity])
            waited = waited or time.perf_counter() - began > PATIENCE
            await self._breath.take()
        if waited:
            self._wake()

    async def _commit(self, batch: Batch) -> None:
        if batch.changed or batch.finished:
            try:
                await write_with_retry(self._database, lambda write: commit_outcomes(write, batch), is_derived=True)
            except (DBAPIError, LostRace):
                log.exception("a batch could not be written, its entities are written one by one")
                await self._commit_singly(batch)
        if batch.changed:
            self._on_commit()
        for outcome in batch.changed:
            if outcome.errors:
                log.warning(
                    "an entity has errors; what was good before stays",
                    entity=outcome.claimed.entity_ref,
                    location=outcome.claimed.location_key,
                    errors=[f"{error['name']}: {error['message']}" for error in outcome.errors],
                )

    async def _commit_singly(self, batch: Batch) -> None:
        """So that an entity that the database refuses fails alone; its next try is in the next interval."""
        await self._commit_single(Batch([], batch.caches, batch.done, batch.unchanged))
        for outcome in batch.changed:
            await self._commit_single(Batch([outcome], [], [outcome], []))

    async def _commit_single(self, batch: Batch) -> None:
        try:
            await write_with_retry(self._database, lambda write: commit_outcomes(write, batch), is_derived=True)
        except (DBAPIError, LostRace) as error:
            entities = [outcome.claimed.entity_ref for outcome in batch.changed]
            log.error("an entity could not be written", entity=entities, error=str(getattr(error, "orig", error)))
            measures.processed.add(1, {"result": "failed"})
            await write_with_retry(self._database, lambda write: finish_claims(write, batch.finished))

    def _measure(self, batch: Batch, seconds: float) -> None:
        failed = sum(1 for outcome in batch.changed if outcome.errors)
        counts = {"changed": len(batch.changed) - failed, "errors": failed, "unchanged": len(batch.unchanged)}
        for result, count in counts.items():
            if count:
                measures.processed.add(count, {"result": result})
        measures.duration.record(
            seconds, {"result": "errors" if failed else "changed" if batch.changed else "unchanged"}
        )


def _is_new_location(entity: DueEntity) -> bool:
    return entity.result_hash is None and entity.entity_ref.startswith("location:")
