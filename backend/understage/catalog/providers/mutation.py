"""What a mutation of a provider changes, computed in bulk inside the caller's transaction.

Called by `providers.connection` for every provider and by the location store for its own. Ownership is by location key:
the first writer of a name keeps it while its key is set; the same key means co-owner.
"""

from collections.abc import Collection, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.conflicts import LostClaim, set_provider_conflicts
from understage.catalog.store.prune import prune
from understage.catalog.store.references import (
    NewReference,
    delete_references,
    insert_references,
    select_references,
)
from understage.catalog.store.select_states import State, select_states
from understage.catalog.store.stitch_queue import enqueue_stitch
from understage.catalog.store.write_states import UnprocessedEntity, insert_states, update_states

log = structlog.get_logger(__name__)


async def replace_all(connection: AsyncConnection, source_key: str, entities: Sequence[UnprocessedEntity]) -> bool:
    """Make `entities` all that the provider gives. Returns whether anything changed."""
    wanted = {entity.entity_ref: entity for entity in entities}
    given = {edge.target for edge in await select_references(connection, source_key=source_key)}
    states = await select_states(connection, sorted(given & wanted.keys()))
    # Another owner key makes it another entity: the old one goes, with its children and its uid.
    moved = {ref for ref, state in states.items() if state.location_key != wanted[ref].location_key}
    changed = [
        entity
        for ref, entity in wanted.items()
        if ref not in states or ref in moved or states[ref].unprocessed_hash != entity.hash
    ]
    removed = (given - wanted.keys()) | moved
    await prune(connection, source_key, removed)
    lost = await _add(connection, source_key, changed)
    await enqueue_stitch(connection, await set_provider_conflicts(connection, source_key, lost))
    return bool(removed or changed)


async def apply_delta(
    connection: AsyncConnection, source_key: str, added: Sequence[UnprocessedEntity], removed: Collection[str] = ()
) -> bool:
    """Add, change and remove some of what the provider gives; what is among both stays. Returns whether it may matter."""
    wanted = {entity.entity_ref: entity for entity in added}
    states = await select_states(connection, sorted(wanted))
    moved = {ref for ref, state in states.items() if state.location_key != wanted[ref].location_key}
    changed = [
        entity
        for ref, entity in wanted.items()
        if ref not in states or ref in moved or states[ref].unprocessed_hash != entity.hash
    ]
    await prune(connection, source_key, moved | (set(removed) - wanted.keys()))
    lost = await _add(connection, source_key, changed)
    settled = {*wanted, *removed}
    contested = await set_provider_conflicts(connection, source_key, lost, is_settled=settled.__contains__)
    await enqueue_stitch(connection, contested)
    return bool(removed or changed)


async def _add(connection: AsyncConnection, source_key: str, entities: Sequence[UnprocessedEntity]) -> list[LostClaim]:
    """Write what may be written; returns the claims of the others."""
    if not entities:
        return []
    states = await select_states(connection, [entity.entity_ref for entity in entities])
    accepted = [entity for entity in entities if _may_write(states.get(entity.entity_ref), entity)]
    await insert_states(connection, [entity for entity in accepted if entity.entity_ref not in states])
    known = [(states[entity.entity_ref].id, entity) for entity in accepted if entity.entity_ref in states]
    await update_states(connection, known)
    accepted_refs = {entity.entity_ref for entity in accepted}
    edges = await select_references(connection, targets=[entity.entity_ref for entity in entities])
    kept: set[str] = set()
    gone: list[int] = []
    for edge in edges:
        if edge.source_key == source_key and edge.target in accepted_refs and edge.target not in kept:
            kept.add(edge.target)
        elif edge.target in accepted_refs or edge.source_key == source_key:
            gone.append(edge.id)
    await delete_references(connection, gone)
    new = [NewReference(source_key, None, ref) for ref in sorted(accepted_refs - kept)]
    await insert_references(connection, new)
    # An orphan that has a source again loses its mark.
    adopted = {entity.entity_ref for _, entity in known} - {edge.target for edge in edges}
    await enqueue_stitch(connection, adopted)
    lost = [entity for entity in entities if entity.entity_ref not in accepted_refs]
    for entity in lost:
        log.warning(
            f"Source {source_key} detected conflicting entityRef {entity.entity_ref} already referenced by "
            f"{states[entity.entity_ref].location_key} and now also {entity.location_key}"
        )
    return [LostClaim(entity.entity_ref, source_key, None, entity.location_key) for entity in lost]


def _may_write(state: State | None, entity: UnprocessedEntity) -> bool:
    return state is None or state.location_key is None or state.location_key == entity.location_key
