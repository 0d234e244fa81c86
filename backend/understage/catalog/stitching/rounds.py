"""The stitching rounds: claim requests, build final forms, write those that differ.

`CatalogEngine` repeats `run` by a loop. A request that is repeated while its round is under way keeps its place in the
queue, and what the round built for it is not written: somebody will build it again from what is newer.
"""

import asyncio
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.stitching import measures
from understage.catalog.stitching.failures import Built, Failures, build_last_good, record_failures
from understage.catalog.stitching.final_entity import build_final
from understage.catalog.store.changes import record_change
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.select_stitch_inputs import StitchInput, select_stitch_inputs
from understage.catalog.store.select_troubles import Troubles, select_troubles
from understage.catalog.store.stitch_queue import (
    claim_stitches,
    finish_stitches,
    lock_stitches,
    longest_stitch_delay_ms,
    postpone_unknown,
    release_stitches,
)
from understage.catalog.store.write_final import (
    insert_final,
    insert_search,
    lock_final,
    replace_search,
    update_final,
)
from understage.errors import UnderstageError
from understage.platform.database import Database
from understage.platform.scheduler import Trailing

log = structlog.get_logger(__name__)

BATCH = 1000
PAUSE_EVERY = 20


@dataclass(frozen=True)
class Batch:
    """What a round claimed (reference to ticket), what it built of that, and the references that nobody has."""

    built: Built
    tickets: Mapping[str, str]
    unknown: Set[str]


class StitchingRounds:
    """Stitches the queue of one database. `timeout` is after how many seconds others may take over a claim."""

    def __init__(self, database: Database, *, timeout: float) -> None:
        self._database = database
        self._timeout_ms = int(timeout * 1000)
        self._claimed: dict[str, str] = {}
        self._claim_task: asyncio.Task[Mapping[str, str]] | None = None
        self._writing = Trailing()

    async def run(self) -> bool:
        """One round. True when there may be more to do at once.

        What it built is written while the next round claims and builds; rounds are written one by one, in order.
        """
        async with self._database.read() as connection:
            delay = await longest_stitch_delay_ms(connection)
        if delay is None:
            # What came in meanwhile has woken the loop again.
            return await self._writing.end()
        measures.queue_delay.record(delay / 1000)
        began = time.perf_counter()
        self._claim_task = asyncio.create_task(self._claim())
        # A claim that is cut off may be committed all the same: `close` waits for it.
        tickets = await asyncio.shield(self._claim_task)
        async with self._database.read() as connection:
            inputs = await select_stitch_inputs(connection, list(tickets))
            troubles = await select_troubles(connection, list(tickets))
        built, failures = await _build(inputs, troubles)
        if failures:
            async with self._database.read() as connection:
                built += await build_last_good(connection, failures, troubles)
        # Before the batch: a failure that is new takes its request back into the queue, to be told of.
        await record_failures(self._database, inputs, failures)
        await self._writing.end()
        unknown = tickets.keys() - {source.entity_ref for source in inputs}
        self._writing.begin(self._finish(Batch(built, tickets, unknown), len(failures), began))
        return bool(tickets)

    async def _finish(self, batch: Batch, failed: int, began: float) -> None:
        built, tickets = batch.built, batch.tickets
        with measures.tracer.start_as_current_span("catalog stitch") as span:
            await self._write(batch)
            span.set_attributes({"catalog.claimed": len(tickets), "catalog.changed": len(built)})
        for ref, ticket in tickets.items():
            if self._claimed.get(ref) == ticket:
                del self._claimed[ref]
        unchanged = max(0, len(tickets) - len(batch.unknown) - len(built) - failed)
        for result, count in {"changed": len(built), "error": failed, "unchanged": unchanged}.items():
            if count:
                measures.stitched.add(count, {"result": result})
        worst = "error" if failed else "changed" if built else "unchanged"
        measures.duration.record(time.perf_counter() - began, {"result": worst})

    async def close(self) -> None:
        """Give back what was claimed and not written."""
        if self._claim_task is not None:
            await asyncio.gather(self._claim_task, return_exceptions=True)
        await self._writing.settle()
        if self._claimed:
            refs = list(self._claimed)
            await write_with_retry(self._database, lambda write: release_stitches(write, refs))
            self._claimed = {}

    async def _claim(self) -> Mapping[str, str]:
        async with self._database.write(is_derived=True) as connection:
            tickets = await claim_stitches(connection, limit=BATCH, timeout_ms=self._timeout_ms)
        self._claimed.update(tickets)
        return tickets

    async def _write(self, batch: Batch) -> None:
        try:
            await write_with_retry(self._database, lambda write: _write_batch(write, batch), is_derived=True)
        except DBAPIError:
            log.exception("a batch of final entities could not be written, they are written one by one")
            for ref, ticket in batch.tickets.items():
                built = [item for item in batch.built if item[0].entity_ref == ref]
                await self._write_single(Batch(built, {ref: ticket}, {ref} & batch.unknown))

    async def _write_single(self, batch: Batch) -> None:
        try:
            await write_with_retry(self._database, lambda write: _write_batch(write, batch), is_derived=True)
        except DBAPIError as error:
            log.error("a final entity could not be written", entity=next(iter(batch.tickets)), error=str(error.orig))


async def _build(inputs: list[StitchInput], troubles: Mapping[str, Troubles]) -> tuple[Built, Failures]:
    built: Built = []
    failures: Failures = []
    for count, source in enumerate(inputs):
        try:
            form = build_final(source, troubles.get(source.entity_ref))
        except (UnderstageError, TypeError) as error:
            log.error("an entity cannot be served", entity=source.entity_ref, error=str(error))
            failures.append((source, error))
            continue
        if form is not None:
            built.append((source, form))
        if count % PAUSE_EVERY == 0:
            # The API answers between two entities.
            await asyncio.sleep(0)
    return built, failures


async def _write_batch(connection: AsyncConnection, batch: Batch) -> None:
    current = await lock_stitches(connection, batch.tickets)
    served = await lock_final(connection, [source.id for source, _ in batch.built])
    mine = [(source, form) for source, form in batch.built if source.entity_ref in current and source.id in served]
    new = [(source, form) for source, form in mine if not served[source.id]]
    known = [(source, form) for source, form in mine if served[source.id]]
    await insert_final(connection, [(source.id, source.uid, source.entity_ref, *form.stored) for source, form in new])
    await update_final(connection, [(*form.stored, source.id) for source, form in known])
    await insert_search(connection, {source.key: form.values for source, form in new})
    await replace_search(connection, {source.key: form.values for source, form in known})
    await finish_stitches(connection, current - batch.unknown)
    await postpone_unknown(connection, current & batch.unknown)
    if mine:
        await record_change(connection)
