"""Writes the outcomes of a batch in one transaction, each table in bulk, only what changed.

Lock order: `refresh_state` by id, `refresh_due`, references, conflicts, failures, relations, refresh keys, stitch queue by
reference.
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
from understage.catalog.store.claims import DueEntity, finish_claims, lock_claims
from understage.catalog.store.references import select_references
from understage.catalog.store.replace_refresh_keys import replace_refresh_keys
from understage.catalog.store.replace_relations import replace_relations
from understage.catalog.store.select_states import lock_states
from understage.catalog.store.stitch_queue import enqueue_stitch
from understage.catalog.store.write_processed import write_caches, write_errors, write_processed, write_read_times
from understage.platform.database import Database
from understage.platform.json import dumps_text

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """A batch, split by what it costs."""

    changed: list[Outcome]
    caches: list[Outcome]
    done: Sequence[Outcome]
    """All whose claims end with the commit."""
    unchanged: list[Outcome]

    @property
    def finished(self) -> list[DueEntity]:
        """The claims, as they are now, of those that were due by themselves, not claimed with their bucket."""
        return [outcome.claimed for outcome in self.done if outcome.claimed.due_at is not None]


async def sort_outcomes(database: Database, outcomes: Sequence[Outcome]) -> Batch:
    """Tell the changed outcomes from the unchanged ones."""
    refs = sorted({child.entity_ref for outcome in outcomes if outcome.result.ok for child in outcome.children})
    parents: dict[str, list[str]] = {}
    if refs:
        async with database.read() as connection:
            parents = group_parents(await select_references(connection, targets=refs))
    changed: list[Outcome] = []
    caches: list[Outcome] = []
    unchanged: list[Outcome] = []
    for outcome in outcomes:
        if _hash(outcome, parents) != outcome.claimed.result_hash:
            changed.append(outcome)
            continue
        unchanged.append(outcome)
        if outcome.cache != outcome.claimed.cache:
            caches.append(outcome)
    return Batch(changed, caches, outcomes, unchanged)


async def commit_outcomes(connection: AsyncConnection, batch: Batch) -> None:
    """Write them. Entities that were deleted, or taken over by another location or replica meanwhile, are left out."""
    ours = await still_ours(connection, [*batch.changed, *batch.caches])
    await finish_claims(connection, batch.finished)
    asked_for = [item.claimed.id for item in batch.unchanged if item.claimed.due_at is not None]
    await write_read_times(connection, asked_for)
    await write_caches(connection, [(item.cache, item.claimed.id) for item in batch.caches if item.claimed.id in ours])
    outcomes = [item for item in batch.changed if item.claimed.id in ours]
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


async def still_ours(connection: AsyncConnection, outcomes: Sequence[Outcome], *, is_shared: bool = False) -> set[int]:
    """The row ids of those whose claims still hold, until the transaction ends. `is_shared` as for `lock_states`."""
    claims = [outcome.claimed for outcome in outcomes]
    owners = await lock_states(connection, [claimed.id for claimed in claims], is_shared=is_shared)
    held = await lock_claims(connection, claims, is_shared=is_shared)
    ours = set()
    for claimed in claims:
        # A row id may be another entity's by now.
        uid, location_key = owners.get(claimed.id, (None, None))
        if uid != claimed.uid:
            continue
        if location_key != claimed.location_key:
            log.warning(
                f"Conflicting write of processing result for {claimed.uid} with location key '{claimed.location_key}'",
                entity=claimed.entity_ref,
            )
        elif claimed.id not in held:
            log.warning(
                "an entity was processed too late, another replica has taken it over", entity=claimed.entity_ref
            )
        else:
            ours.add(claimed.id)
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
