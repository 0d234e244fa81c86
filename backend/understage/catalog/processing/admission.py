"""The transaction that stores new entities whole: what came in, what processing made of it, and what is served.

Called by `processing.newcomers`. Lock order: the parents' rows of `refresh_state` and claims, then as in `processing.commit`; the
relations are held, so that nobody who says something about an entity misses that it is there by now (`store.relation_lock`).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.processing.outcome import Outcome
from understage.catalog.stitching.final_entity import FinalForm, build_final
from understage.catalog.store.changes import record_change
from understage.catalog.store.claims import DueEntity, lock_claims
from understage.catalog.store.references import NewReference, insert_references
from understage.catalog.store.relation_lock import hold_relations
from understage.catalog.store.replace_refresh_keys import insert_refresh_keys
from understage.catalog.store.replace_relations import insert_relations, select_said
from understage.catalog.store.select_states import lock_states, select_states
from understage.catalog.store.select_stitch_inputs import StitchInput
from understage.catalog.store.stitch_queue import enqueue_stitch
from understage.catalog.store.write_final import insert_final, insert_search
from understage.catalog.store.write_states import ProcessedEntity, UnprocessedEntity, insert_processed
from understage.errors import UnderstageError

PAUSE_EVERY = 20

Said = Mapping[str, Iterable[tuple[str, str]]]
"""Relations by source: type and target."""


@dataclass(slots=True)
class Newcomer:
    """A child that is stored whole; `form` is what others of its chunk and itself make of it, None when it cannot be served."""

    parent: DueEntity
    child: UnprocessedEntity
    outcome: Outcome
    form: FinalForm | None = None

    @property
    def ref(self) -> str:
        """Its reference."""
        return self.child.entity_ref

    def build(self, *said: Said) -> FinalForm | None:
        """The final form given what is said about it; None when it cannot be served, which stitching will say."""
        relations = sorted({relation for some in said for relation in some.get(self.ref, ())})
        claimed = self.outcome.claimed
        source = StitchInput(0, claimed.uid, self.ref, self.outcome.entity_json, "[]", None, False, relations)
        try:
            return build_final(source)
        except (UnderstageError, TypeError):
            return None


async def build_forms(newcomers: list[Newcomer]) -> list[Newcomer]:
    """Build the forms of a chunk; returns those that can be served."""
    said = _said(newcomers)
    for count, newcomer in enumerate(newcomers):
        newcomer.form = newcomer.build(said)
        if count % PAUSE_EVERY == 0:
            # The API answers between two entities.
            await asyncio.sleep(0)
    good = [newcomer for newcomer in newcomers if newcomer.form is not None]
    # What those say who are left out is not said yet.
    return good if len(good) == len(newcomers) else await build_forms(good)


async def admit(connection: AsyncConnection, newcomers: Sequence[Newcomer], *, interval_ms: int) -> int:
    """Store those that are still new, and whose parents are still ours; returns how many.

    Raises DBAPIError (unique violation) when another replica inserted one meanwhile.
    """
    ours = await _parents(connection, newcomers)
    known = await select_states(connection, [newcomer.ref for newcomer in newcomers])
    new = [newcomer for newcomer in newcomers if newcomer.parent.id in ours and newcomer.ref not in known]
    if not new:
        return 0
    # Replicas insert in one order, so that they wait for each other instead of locking each other out.
    new.sort(key=lambda newcomer: newcomer.ref)
    ids = await insert_processed(connection, [_processed(newcomer) for newcomer in new], interval_ms=interval_ms)
    placed = list(zip(ids, new, strict=True))
    await insert_references(connection, [NewReference(None, item.parent.entity_ref, item.ref) for item in new])
    keys = [(id_, key) for id_, item in placed for key in sorted(item.outcome.result.refresh_keys)]
    await insert_refresh_keys(connection, keys)
    await hold_relations(connection)
    refs = {newcomer.ref for newcomer in new}
    said_before = await select_said(connection, sorted(refs))
    relations = [(id_, relation) for id_, item in placed for relation in sorted(item.outcome.result.relations)]
    await insert_relations(connection, relations)
    await enqueue_stitch(connection, {relation.source for _, relation in relations} - refs)
    await _serve(connection, placed, said_before, is_whole=len(new) == len(newcomers))
    return len(new)


async def _parents(connection: AsyncConnection, newcomers: Sequence[Newcomer]) -> set[int]:
    """The row ids of the parents that are still as they were claimed; locked."""
    parents = {newcomer.parent.id: newcomer.parent for newcomer in newcomers}
    rows = await lock_states(connection, sorted(parents))
    held = await lock_claims(connection, list(parents.values()))
    return {id_ for id_, item in parents.items() if rows.get(id_) == (item.uid, item.location_key) and id_ in held}


async def _serve(
    connection: AsyncConnection, placed: Sequence[tuple[int, Newcomer]], said_before: Said, *, is_whole: bool
) -> None:
    said = _said([newcomer for _, newcomer in placed])
    forms: list[tuple[int, Newcomer, FinalForm]] = []
    later: set[str] = set()
    for id_, newcomer in placed:
        changed = newcomer.ref in said_before or not is_whole
        form = newcomer.build(said, said_before) if changed else newcomer.form
        if form is None:
            later.add(newcomer.ref)
        else:
            forms.append((id_, newcomer, form))
    await enqueue_stitch(connection, later)
    await insert_final(
        connection, [(id_, item.outcome.claimed.uid, item.ref, *form.stored) for id_, item, form in forms]
    )
    await insert_search(connection, {(id_, item.ref.partition(":")[0]): form.values for id_, item, form in forms})
    await record_change(connection)


def _processed(newcomer: Newcomer) -> ProcessedEntity:
    outcome = newcomer.outcome
    assert outcome.entity_json is not None
    return ProcessedEntity(outcome.claimed.uid, newcomer.child, outcome.entity_json, outcome.hash(()), outcome.cache)


def _said(newcomers: Iterable[Newcomer]) -> dict[str, set[tuple[str, str]]]:
    said: dict[str, set[tuple[str, str]]] = {}
    for newcomer in newcomers:
        for source, type_, target in newcomer.outcome.result.relations:
            said.setdefault(source, set()).add((type_, target))
    return said
