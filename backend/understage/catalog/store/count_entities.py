"""Count final entities."""

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.match import contains_text, matches
from understage.catalog.store.tables import final_entities, search


async def count_entities(
    connection: AsyncConnection, predicate: Predicate, order: str | None, text: tuple[str, tuple[str, ...]] | None
) -> int:
    """How many entities match; with an order, only those that have a value of the order field. Each counts once."""
    if order is None:
        entity_id = final_entities.c.entity_id
        statement = select(func.count()).select_from(final_entities)
    else:
        entity_id = search.c.entity_id
        statement = select(func.count(distinct(entity_id))).where(search.c.key == order, search.c.value.is_not(None))
    statement = statement.where(matches(entity_id, predicate))
    if text is not None:
        statement = statement.where(contains_text(entity_id, *text))
    return int((await connection.execute(statement)).scalar_one())
