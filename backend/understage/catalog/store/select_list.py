"""Select final entities as the unpaged and the offset-paged `GET /entities` list them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.match import matches
from understage.catalog.store.tables import final_entities, search


async def select_list(
    connection: AsyncConnection,
    predicate: Predicate,
    *,
    orders: Sequence[tuple[str, bool]],
    limit: int | None,
    offset: int,
) -> list[str]:
    """JSON of the entities; `orders` are (index key, descending), entities without a value come last.

    Without an order: by entity ref. Ties by uid. With several orders an entity comes once for each combination of its values,
    null among them; with one, null counts as no value.
    """
    statement: Any = select(final_entities.c.final_entity).where(matches(final_entities.c.entity_id, predicate))
    sorting: list[Any] = []
    for number, (key, descending) in enumerate(orders):
        column = search.alias(f"order_{number}")
        joined = (column.c.entity_id == final_entities.c.entity_id) & (column.c.key == key)
        if len(orders) == 1:
            joined &= column.c.value.is_not(None)
        statement = statement.outerjoin(column, joined)
        # `IS NULL` first instead of NULLS LAST: the same plan on both databases.
        sorting += [column.c.value.is_(None), column.c.value.desc() if descending else column.c.value.asc()]
    sorting.append(final_entities.c.uid.asc() if orders else final_entities.c.entity_ref.asc())
    statement = statement.order_by(*sorting).limit(limit)
    if offset:
        statement = statement.offset(offset)
    return list((await connection.execute(statement)).scalars())
