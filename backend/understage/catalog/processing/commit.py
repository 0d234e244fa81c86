"""Writes the outcomes of a batch in one transaction, each table in bulk, only what changed.

Lock order: `refresh_state` by id, references, conflicts, failures, relations, refresh keys, stitch
queue by reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.processing.children import WrittenChildren, write_children
from understage.catalog.processing.outcome import Outcome
from understage.catalog.processing.result_hash import foreign_parents, group_parents
from understage.catalog.processing.troubles import record_troubles
from understage.catalog.store.bulk import Row
from understage.catalog.store.references import select_references
from understage.catalog.store.replace_refresh_keys import replace_refresh_keys
from understage.catalog.store.replace_relations import replace_relations
from understage.catalog.store.select_states import lock_states
from understage.catalog.store.stitch_queue import enqueue_stitch
from understage.catalog.store.write_processed import write_caches, write_errors, write_processed
from understage.platform.database import Database
from understage.platform.json import dumps_text

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """A batch, split by what it costs."""

    changed: list[Outcome]
    caches: list[Outcome]
    unchanged: int


async def sort_outcomes(database: Database, outcomes: Sequence[Outcome]) -> Batch:
    """Tell the changed outcomes from the unchanged ones."""
    refs = sorted({child.entity_ref for outcome in outcomes if outcome.result.ok for child in outcome.children})
    parents: dict[str, list[str]] = {}
    if refs:
        async with database.read() as connection:
            parents = group_parents(await select_references(connection, targets=refs))
    changed: list[Outcome] = []
    caches: list[Outcome] = []
    unchanged = 0
    for outcome in outcomes:
        if _hash(outcome, parents) != outcome.claimed.result_hash:
            changed.append(outcome)
            continue
        unchanged += 1
        if outcome.cache != outcome.claimed.cache:
            caches.append(outcome)
    return Batch(changed, caches, unchanged)


async def commit_outcomes(connection: AsyncConnection, batch: Batch) -> None:
    """Write them. Entities that were deleted or taken over meanwhile are left out."""
    await write_caches(connection, [(item.cache, item.claimed.id) for item in batch.caches])
    outcomes = await _still_ours(connection, batch.changed)
    if not outcomes:
        return
    good = [outcome for outcome in outcomes if outcome.result.ok]
    bad = [outcome for outcome in outcomes if not outcome.result.ok]
    written = await write_children(connection, [(item.claimed.entity_ref, item.children) for item in good])
    _note_conflicts(good, written)
    stitch = written.stitch | await record_troubles(connection, good, bad, written.lost)
    if good:
        stitch |= await replace_relations(connection, {item.claimed.id: item.result.relations for item in good})
        await replace_refresh_keys(connection, {item.claimed.id: item.result.refresh_keys for item in good})
    first = [outcome for outcome in bad if outcome.is_first_sight]
    await write_processed(connection, [_row(outcome, written) for outcome in [*good, *first]])
    await write_errors(connection, [_row(outcome, written)[1:] for outcome in bad if not outcome.is_first_sight])
    stitch.update(outcome.claimed.entity_ref for outcome in outcomes)
    await enqueue_stitch(connection, stitch)


async def _still_ours(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> list[Outcome]:
    keys = await lock_states(connection, [outcome.claimed.id for outcome in outcomes])
    ours = []
    for outcome in outcomes:
        claimed = outcome.claimed
        if claimed.id not in keys:
            continue
        if keys[claimed.id] != claimed.location_key:
            log.warning(
                f"Conflicting write of processing result for {claimed.uid} with location key '{claimed.location_key}'",
                entity=claimed.entity_ref,
            )
            continue
        ours.append(outcome)
    return ours


def _note_conflicts(outcomes: Sequence[Outcome], written: WrittenChildren) -> None:
    lost = {(claim.source_ref, claim.entity_ref, claim.location_key) for claim in written.lost}
    for outcome in outcomes:
        outcome.conflicts = [
            (child, written.owners[child.entity_ref])
            for child in outcome.children
            if (outcome.claimed.entity_ref, child.entity_ref, child.location_key) in lost
        ]


def _hash(outcome: Outcome, parents: dict[str, list[str]]) -> str:
    children = (child.entity_ref for child in outcome.children)
    return outcome.hash(foreign_parents(outcome.claimed.entity_ref, children, parents))


def _row(outcome: Outcome, written: WrittenChildren) -> Row:
    errors = dumps_text(outcome.errors)
    return outcome.entity_json, _hash(outcome, written.parents), errors, outcome.cache, outcome.claimed.id
