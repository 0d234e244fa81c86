"""Notes what is wrong with a batch, for its owners: who fails since when, and who lost which name.

Called by `processing.commit` inside its transaction, for outcomes that differ from the last ones only.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.processing.outcome import Outcome
from understage.catalog.store.conflicts import LostClaim, set_parents_conflicts
from understage.catalog.store.failures import forget_failures, write_failures
from understage.catalog.store.references import select_references


async def record_troubles(
    connection: AsyncConnection, good: Sequence[Outcome], bad: Sequence[Outcome], lost: Sequence[LostClaim]
) -> set[str]:
    """Write it; returns those besides the batch whose final forms are to tell of it."""
    own = [
        LostClaim(ref, None, outcome.claimed.entity_ref, location_key)
        for outcome in good
        for ref, location_key in outcome.result.superseded
    ]
    parents = [outcome.claimed.entity_ref for outcome in good]
    changed = await set_parents_conflicts(connection, parents, [*lost, *own]) if parents else set()
    recovered = await forget_failures(connection, "processing", [outcome.claimed.id for outcome in good])
    await write_failures(
        connection, "processing", [(outcome.claimed.id, outcome.claimed.is_processed, None) for outcome in bad]
    )
    # An entity that was never served has no page: those who lead to it tell why.
    hidden = [item for item in bad if not item.claimed.is_processed]
    hidden += [item for item in good if not item.claimed.is_processed and item.claimed.id in recovered]
    if hidden:
        edges = await select_references(connection, targets=[item.claimed.entity_ref for item in hidden])
        changed |= {edge.source_ref for edge in edges if edge.source_ref is not None}
    return changed
