"""Predicates as SQL over the search index. Used by every operation that selects final entities."""

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from understage.catalog.predicate import All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.store.tables import search

ESCAPE = "\\"


def matches(entity_id: ColumnElement[int], predicate: Predicate) -> ColumnElement[bool]:
    """The condition that the entity with this id satisfies the predicate."""
    match predicate:
        case Has(key):
            return _indexed(entity_id, search.c.key == key)
        case In(_, ()):
            return false()
        case In(key, (value,)):
            return _indexed(entity_id, search.c.key == key, search.c.value == value)
        case In(key, wanted):
            return _indexed(entity_id, search.c.key == key, search.c.value.in_(wanted))
        case StartsWith(key, prefix):
            like = search.c.value.like(escape_like(prefix) + "%", escape=ESCAPE)
            return _indexed(entity_id, search.c.key == key, like)
        case All(of):
            return and_(true(), *(matches(entity_id, item) for item in of))
        case Any(of):
            return or_(false(), *(matches(entity_id, item) for item in of))
        case Not(of):
            return not_(matches(entity_id, of))


def contains_text(entity_id: ColumnElement[int], term: str, fields: tuple[str, ...]) -> ColumnElement[bool]:
    """The condition that a value of one of the fields holds the term (any case)."""
    keys = [field.lower() for field in fields]
    return _indexed(entity_id, search.c.key.in_(keys), holds_text(search.c.value, term))


def holds_text(value: ColumnElement[str], term: str) -> ColumnElement[bool]:
    """The condition that a value of the index holds the term (any case)."""
    return value.like(f"%{escape_like(term.lower())}%", escape=ESCAPE)


def escape_like(text: str) -> str:
    """Text that LIKE takes literally."""
    for character in (ESCAPE, "%", "_"):
        text = text.replace(character, ESCAPE + character)
    return text


def _indexed(entity_id: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return entity_id.in_(select(search.c.entity_id).where(*conditions))
