"""Count the values of facets."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, Predicate
from understage.catalog.store.match import satisfies
from understage.catalog.store.tables import search


async def select_facets(
    connection: AsyncConnection, keys: Sequence[str], predicate: Predicate
) -> dict[str, list[tuple[str, int]]]:
    """(original value, entities that have it) by index key, values in binary order; keys are lower case."""
    # By value first: that is the order of the index. Values that differ in case only are told apart within.
    statement = (
        select(search.c.key, search.c.value, search.c.original_value, func.count())
        .where(search.c.key.in_(list(keys)), search.c.original_value.is_not(None), search.c.value.is_not(None))
        .group_by(search.c.key, search.c.value, search.c.original_value)
    )
    if predicate != EVERYTHING:
        statement = statement.where(satisfies(predicate))
    facets: dict[str, list[tuple[str, int]]] = {key: [] for key in keys}
    for key, _, value, count in await connection.execute(statement):
        facets[key].append((value, count))
    for values in facets.values():
        # Binary order, as the database has it.
        values.sort(key=lambda item: item[0].encode())
    return facets
