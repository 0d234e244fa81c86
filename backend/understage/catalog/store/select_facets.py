"""Count the values of facets."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, Predicate
from understage.catalog.store.match import matches
from understage.catalog.store.tables import search


async def select_facets(
    connection: AsyncConnection, keys: Sequence[str], predicate: Predicate
) -> dict[str, list[tuple[str, int]]]:
    """(original value, entities that have it) by index key, values in binary order; keys are lower case."""
    statement = (
        select(search.c.key, search.c.original_value, func.count())
        .where(search.c.key.in_(list(keys)), search.c.original_value.is_not(None), search.c.value.is_not(None))
        .group_by(search.c.key, search.c.original_value)
        .order_by(search.c.key, search.c.original_value)
    )
    if predicate != EVERYTHING:
        statement = statement.where(matches(search.c.entity_id, predicate))
    facets: dict[str, list[tuple[str, int]]] = {key: [] for key in keys}
    for key, value, count in await connection.execute(statement):
        facets[key].append((value, count))
    return facets
