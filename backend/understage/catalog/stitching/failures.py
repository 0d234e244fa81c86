"""Entities that cannot be stitched: their last good form stays, and says so; those that never had one are told of above.

Called by `stitching.rounds` for a batch before it is written.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.failure import serialize_error
from understage.catalog.stitching.final_entity import FinalForm, build_kept
from understage.catalog.store.failures import forget_failures, select_failing, write_failures
from understage.catalog.store.references import select_references
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.select_final import select_final
from understage.catalog.store.select_stitch_inputs import StitchInput
from understage.catalog.store.select_troubles import Troubles
from understage.catalog.store.stitch_queue import enqueue_stitch
from understage.platform.database import Database
from understage.platform.json import dumps_text

Built = list[tuple[StitchInput, FinalForm]]
Failures = list[tuple[StitchInput, Exception]]


async def build_last_good(connection: AsyncConnection, failures: Failures, troubles: Mapping[str, Troubles]) -> Built:
    """The forms of those that were served before and are known to fail; the others get theirs when that is known."""
    known = [source for source, _ in failures if source.entity_ref in troubles and source.final_hash is not None]
    served = await select_final(connection, [source.id for source in known])
    forms = [
        (source, build_kept(source, served[source.id], troubles[source.entity_ref]))
        for source in known
        if source.id in served
    ]
    return [(source, form) for source, form in forms if form is not None]


async def record_failures(database: Database, inputs: Sequence[StitchInput], failures: Failures) -> None:
    """Keep who fails, and ask for the forms that are to tell of a change; nothing is written when nobody does or did."""
    async with database.read() as connection:
        before = await select_failing(connection, "stitching", [source.id for source in inputs])
    now = {source.id: dumps_text(serialize_error(error)) for source, error in failures}
    changed = {id_ for id_ in before.keys() | now.keys() if before.get(id_) != now.get(id_)}
    if not changed:
        return
    sources = [source for source in inputs if source.id in changed]

    async def write(connection: AsyncConnection) -> None:
        rows = [(item.id, item.final_hash is not None, now[item.id]) for item in sources if item.id in now]
        await write_failures(connection, "stitching", rows)
        await forget_failures(connection, "stitching", changed - now.keys())
        hidden = [item.entity_ref for item in sources if item.final_hash is None]
        edges = await select_references(connection, targets=hidden)
        above = {edge.source_ref for edge in edges if edge.source_ref is not None}
        await enqueue_stitch(connection, above | {item.entity_ref for item in sources})

    await write_with_retry(database, write, is_derived=True)
