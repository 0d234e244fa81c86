"""Count final entities."""

from sqlalchemy import ColumnElement, Select, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, In, Predicate, both
from understage.catalog.store.match import conjuncts, contains_text, holds_text, matches, satisfies
from understage.catalog.store.tables import final_entities, search

SINGLE = frozenset(("apiversion", "kind", "metadata.name", "metadata.namespace", "metadata.uid"))
"""Keys of which every entity has exactly one value."""

Text = tuple[str, tuple[str, ...]]


async def count_entities(
    connection: AsyncConnection, predicate: Predicate, order: str | None, text: Text | None
) -> int:
    """How many entities match; with an order, only those that have a value of the order field. Each counts once."""
    return int((await connection.execute(_statement(predicate, order, text))).scalar_one())


def _statement(predicate: Predicate, order: str | None, text: Text | None) -> Select[int]:
    if text is not None and len(text[1]) == 1 and text[1][0].lower() in SINGLE and order in (None, *SINGLE):
        # The rows that hold the text are the entities.
        statement = select(func.count()).where(search.c.key == text[1][0].lower(), holds_text(search.c.value, text[0]))
        return statement.where(satisfies(predicate))
    if order is not None and order not in SINGLE:
        statement = select(func.count(distinct(search.c.entity_id)))
        statement = statement.where(search.c.key == order, search.c.value.is_not(None), satisfies(predicate))
        return statement if text is None else statement.where(contains_text(search.c.entity_id, *text))
    leaf = _leaf(predicate)
    entity_id: ColumnElement[int]
    if leaf is None:
        entity_id = final_entities.c.entity_id
        statement = select(func.count()).select_from(final_entities).where(matches(entity_id, predicate))
    else:
        # The rows of one condition are the entities that fulfil it; the others are looked at from there.
        entity_id = search.c.entity_id
        rest = both(*(item for item in conjuncts(predicate) if item is not leaf))
        statement = select(func.count()).where(search.c.key == leaf.key, search.c.value == leaf.values[0])
        statement = statement if rest == EVERYTHING else statement.where(satisfies(rest))
    return statement if text is None else statement.where(contains_text(entity_id, *text))


def _leaf(predicate: Predicate) -> In | None:
    """An equality that has to hold, one of another key than the kind if there is one: it is in the rows of the others."""
    leaves = [item for item in conjuncts(predicate) if isinstance(item, In) and len(item.values) == 1]
    return next((leaf for leaf in leaves if leaf.key != "kind"), leaves[0] if leaves else None)
