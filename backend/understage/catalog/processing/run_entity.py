"""One claimed entity, run through the orchestrator to its outcome. Called by the rounds, and for children that are new."""

import asyncio
import time
from collections.abc import Callable

import structlog

from understage.catalog.processing import measures
from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.collector import Child
from understage.catalog.processing.orchestrator import Offer, Orchestrator, Result
from understage.catalog.processing.outcome import Outcome, make_row
from understage.catalog.store.claims import DueEntity
from understage.catalog.store.write_states import UnprocessedEntity
from understage.platform.json import loads

log = structlog.get_logger(__name__)

SLICE = 0.005


async def run_entity(
    orchestrator: Orchestrator,
    claimed: DueEntity,
    *,
    offer: Offer | None = None,
    row_of: Callable[[Child], UnprocessedEntity] = make_row,
) -> Outcome:
    """Whatever goes wrong is in the outcome. Raises only for a result that cannot be kept at all.

    `offer` is called with children as they are emitted, `row_of` makes their rows.
    """
    began = time.perf_counter()
    cache: EntityCache | None = None
    try:
        cache = EntityCache(claimed.cache)
        result = await orchestrator.process(loads(claimed.unprocessed_entity), cache, offer=offer)
    except Exception as error:
        log.exception("an entity could not be processed", entity=claimed.entity_ref)
        result = Result(None, [], set(), set(), [error])
    outcome = Outcome.of(claimed, result, None, row_of)
    outcome.cache = cache.to_store(ok=result.ok) if cache is not None else None
    measures.processors_durations.add(time.perf_counter() - began, "ok" if result.ok else "failed")
    return outcome


class Breath:
    """Lets requests be answered between two entities."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    async def take(self) -> None:
        """To be called after each entity."""
        if time.perf_counter() - self._last > SLICE:
            await asyncio.sleep(0)
            self._last = time.perf_counter()
