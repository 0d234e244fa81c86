"""Writes the entities that a batch of parents emitted, under the rules of ownership.

Called by `processing.commit` inside its transaction. A child has one parent: the last that emitted it with the owner's
location key. An unchanged child costs no write.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.processing.result_hash import group_parents
from understage.catalog.store.conflicts import LostClaim
from understage.catalog.store.references import (
    NewReference,
    Reference,
    delete_references,
    insert_references,
    select_ancestors,
    select_references,
)
from understage.catalog.store.select_states import State, select_states
from understage.catalog.store.write_states import UnprocessedEntity, insert_states, update_states

log = structlog.get_logger(__name__)

Emitted = Sequence[tuple[str, Sequence[UnprocessedEntity]]]
"""For each parent (reference) its children."""


@dataclass(slots=True)
class WrittenChildren:
    """What came of it.

    Whose final forms may change (orphans' marks), the parents of all children afterwards, and the names that parents claim
    and do not get.
    """

    stitch: set[str] = field(default_factory=set)
    parents: dict[str, list[str]] = field(default_factory=dict)
    lost: list[LostClaim] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """The location keys that the lost names are owned under."""


async def write_children(connection: AsyncConnection, emitted: Emitted) -> WrittenChildren:
    """Insert new children, update changed ones, and set who emits whom."""
    parents = [parent for parent, _ in emitted]
    refs = sorted({child.entity_ref for _, children in emitted for child in children})
    edges = await select_references(connection, targets=refs, source_refs=parents)
    if not refs and not edges:
        return WrittenChildren()
    states = await select_states(connection, refs)
    holders, lost, owners = await _settle(connection, emitted, states)
    ancestors = await select_ancestors(connection, [parent for parent, children in emitted if children])
    wanted: dict[str, str] = {}
    for child, parent in holders.items():
        # An entity above its parent stays where it is: a circle would hold itself, and never be an orphan.
        if child not in ancestors.get(parent, ()):
            wanted[child] = parent
    written = await _set_parents(connection, set(parents), wanted, edges, states)
    written.lost, written.owners = lost, owners
    return written


async def _settle(
    connection: AsyncConnection, emitted: Emitted, states: dict[str, State]
) -> tuple[dict[str, str], list[LostClaim], dict[str, str]]:
    """Decide who may write what, and write it.

    Returns the parent of each accepted child, the claims of the others, and the keys those names are owned under.
    """
    owner: dict[str, tuple[str | None, str]] = {
        ref: (state.location_key, state.unprocessed_hash) for ref, state in states.items()
    }
    accepted: dict[str, UnprocessedEntity] = {}
    holders: dict[str, str] = {}
    lost: list[LostClaim] = []
    owners: dict[str, str] = {}
    for parent, children in emitted:
        for child in children:
            key, _ = owner.get(child.entity_ref, (None, ""))
            if key is not None and key != child.location_key:
                log.warning(
                    f"{parent} detected conflicting entityRef {child.entity_ref} already referenced by {key} "
                    f"and now also {child.location_key}: the first keeps the name, rename or remove one of them"
                )
                lost.append(LostClaim(child.entity_ref, None, parent, child.location_key))
                owners[child.entity_ref] = key
                continue
            owner[child.entity_ref] = (child.location_key, child.hash)
            accepted[child.entity_ref] = child
            holders[child.entity_ref] = parent
    await insert_states(connection, [child for ref, child in accepted.items() if ref not in states])
    changed = [
        (states[ref].id, child)
        for ref, child in accepted.items()
        if ref in states
        and (states[ref].unprocessed_hash, states[ref].location_key) != (child.hash, child.location_key)
    ]
    await update_states(connection, changed)
    return holders, lost, owners


async def _set_parents(
    connection: AsyncConnection,
    parents: set[str],
    wanted: dict[str, str],
    edges: Iterable[Reference],
    states: dict[str, State],
) -> WrittenChildren:
    kept: list[Reference] = []
    gone: list[Reference] = []
    settled: set[str] = set()
    for edge in edges:
        if edge.source_ref is not None and wanted.get(edge.target) == edge.source_ref and edge.target not in settled:
            settled.add(edge.target)
            kept.append(edge)
        elif edge.target in wanted or edge.source_ref in parents:
            gone.append(edge)
        else:
            kept.append(edge)
    new = [NewReference(None, parent, child) for child, parent in sorted(wanted.items()) if child not in settled]
    await delete_references(connection, [edge.id for edge in gone])
    await insert_references(connection, new)
    had_one = {edge.target for edge in edges}
    lost = {edge.target for edge in gone} - wanted.keys()
    found = {edge.target for edge in new if edge.target in states and edge.target not in had_one}
    after = [*kept, *(Reference(0, edge.source_key, edge.source_ref, edge.target) for edge in new)]
    return WrittenChildren(lost | found, group_parents(after))
