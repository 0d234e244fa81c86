"""Select one page of final entities by keyset."""

from typing import NamedTuple

from sqlalchemy import Select, and_, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, Predicate
from understage.catalog.store.match import contains_text, holds_text, matches, satisfies
from understage.catalog.store.tables import final_entities, search


class PageRow(NamedTuple):
    """One entity of a page. `sorted_by` is the value of the order field, None without an order. JSON from memory is in UTF-8."""

    sorted_by: str | None
    uid: str
    final_entity: str | bytes


async def select_page(
    connection: AsyncConnection,
    predicate: Predicate,
    *,
    order: str | None,
    descending: bool,
    text: tuple[str, tuple[str, ...]] | None,
    after: tuple[str | None, str | None] | None,
    backwards: bool,
    limit: int,
    offset: int,
) -> list[PageRow]:
    """Rows strictly after (or, `backwards`, before) the place `after`; the nearest first, ties by uid in the same direction.

    `order` is an index key in lower case; entities without a value of it are left out, those with several come several times,
    though only with those that hold `text` when it is looked for in that very key.
    """
    down = descending != backwards
    statement = _ordered(order, down, after)
    if order is None:
        statement = statement.where(matches(final_entities.c.entity_id, predicate))
    elif predicate != EVERYTHING:
        statement = statement.where(satisfies(predicate))
    if text is not None and text[1] == (order,):
        statement = statement.where(holds_text(search.c.value, text[0]))
    elif text is not None:
        statement = statement.where(contains_text(final_entities.c.entity_id, *text))
    statement = statement.limit(limit)
    if offset:
        statement = statement.offset(offset)
    rows = await connection.execute(statement)
    return [PageRow(sorted_by, uid, entity) for sorted_by, uid, entity in rows]


def _ordered(
    order: str | None, down: bool, after: tuple[str | None, str | None] | None
) -> Select[str | None, str, str]:
    uid = final_entities.c.uid
    if order is None:
        statement = select(literal(None), uid, final_entities.c.final_entity)
        if after is not None:
            statement = statement.where(uid < after[1] if down else uid > after[1])
        return statement.order_by(uid.desc() if down else uid.asc())
    value = search.c.value
    statement = (
        select(value, uid, final_entities.c.final_entity)
        .join(final_entities, final_entities.c.entity_id == search.c.entity_id)
        .where(search.c.key == order, value.is_not(None))
    )
    if after is not None:
        place, last_uid = after
        # The first condition alone is what the index can use.
        if down:
            statement = statement.where(value <= place, or_(value < place, and_(value == place, uid < last_uid)))
        else:
            statement = statement.where(value >= place, or_(value > place, and_(value == place, uid > last_uid)))
    return statement.order_by(value.desc(), uid.desc()) if down else statement.order_by(value, uid)
