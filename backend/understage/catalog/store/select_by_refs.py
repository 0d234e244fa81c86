"""Select final entities by reference or uid."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, Predicate
from understage.catalog.store.match import matches
from understage.catalog.store.tables import final_entities

# SQLite takes 32 766 parameters a statement.
LARGEST_LIST = 10_000


async def select_by_refs(
    connection: AsyncConnection, refs: Sequence[str], predicate: Predicate = EVERYTHING
) -> dict[str, str]:
    """JSON of the entities among `refs` (exact, so canonical) that match, by reference."""
    found: dict[str, str] = {}
    wanted = list(dict.fromkeys(refs))
    for start in range(0, len(wanted), LARGEST_LIST):
        statement = select(final_entities.c.entity_ref, final_entities.c.final_entity).where(
            final_entities.c.entity_ref.in_(wanted[start : start + LARGEST_LIST]),
            matches(final_entities.c.entity_id, predicate),
        )
        found.update((ref, entity) for ref, entity in await connection.execute(statement))
    return found


async def select_by_uid(connection: AsyncConnection, uid: str, predicate: Predicate = EVERYTHING) -> str | None:
    """JSON of the entity with this uid (any case), if it matches."""
    statement = select(final_entities.c.final_entity).where(
        final_entities.c.uid == uid.lower(), matches(final_entities.c.entity_id, predicate)
    )
    result: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return result
