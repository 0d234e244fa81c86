"""Predicates as SQL over the search index. Used by every operation that selects final entities."""

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, Predicate, StartsWith, both
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


def satisfies(predicate: Predicate) -> ColumnElement[bool]:
    """The condition that the entity of a row of `search`, which a statement selects from, satisfies the predicate.

    The same as `matches` of its entity; a kind that is asked for is looked at in the row itself, without another look-up.
    """
    kinds, others = split_kinds(predicate)
    if kinds is None:
        return matches(search.c.entity_id, predicate)
    is_kind = search.c.kind == kinds[0] if len(kinds) == 1 else search.c.kind.in_(kinds)
    # Rows of the first release's replicas have no kind.
    untold = search.c.kind.is_(None) & matches(search.c.entity_id, In("kind", kinds))
    kind_condition: ColumnElement[bool] = or_(is_kind, untold)
    return kind_condition if others == EVERYTHING else and_(kind_condition, matches(search.c.entity_id, others))


def split_kinds(predicate: Predicate) -> tuple[tuple[str, ...] | None, Predicate]:
    """The kinds that a predicate asks for in any case (None: it does not), and the predicate without that."""
    conditions = conjuncts(predicate)
    for index, condition in enumerate(conditions):
        match condition:
            case In("kind", (_, *_) as kinds):
                return tuple(kinds), both(*conditions[:index], *conditions[index + 1 :])
    return None, predicate


def conjuncts(predicate: Predicate) -> list[Predicate]:
    """The predicates that all have to hold."""
    if isinstance(predicate, All):
        return [part for item in predicate.of for part in conjuncts(item)]
    return [predicate]


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
