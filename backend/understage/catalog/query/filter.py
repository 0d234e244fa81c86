"""The `filter` query parameter, and the legacy filter object inside old cursors.

Each occurrence is a set; sets are ORed, statements of a set ANDed, repeated keys of a set ORed
(Backstage catalog-backend 4.0.0).
"""

from collections.abc import Iterable
from typing import Any as AnyValue

from understage.catalog.predicate import EVERYTHING, All, Has, Not, Predicate, any_of, equals, has
from understage.errors import InputError


def parse_filters(filters: Iterable[str]) -> Predicate:
    """The predicate of all `filter` parameters of a request; everything when none says something.

    Raises InputError for a statement without a key.
    """
    sets = [parsed for parsed in map(_parse_set, filters) if parsed is not None]
    if not sets:
        return EVERYTHING
    return sets[0] if len(sets) == 1 else any_of(sets)


def _parse_set(text: str) -> Predicate | None:
    values: dict[str, list[str]] = {}
    for statement in (part.strip() for part in text.split(",")):
        if not statement:
            continue
        key, equal_sign, value = (part.strip() for part in statement.partition("="))
        if not key:
            raise InputError(
                f"Invalid filter, '{statement}' is not a valid statement (expected a string on the form a=b or a= or a)"
            )
        found = values.setdefault(key, [])
        if equal_sign:
            found.append(value)
    leaves = tuple(equals(key, *found) if found else has(key) for key, found in values.items())
    if not leaves:
        return None
    return leaves[0] if len(leaves) == 1 else All(leaves)


def parse_legacy_filter(value: AnyValue) -> Predicate:
    """The filter object of older cursors: `{key, values?}`, `{not}`, `{anyOf}`, `{allOf}`.

    Raises InputError for another shape.
    """
    match value:
        case {"not": inner}:
            return Not(parse_legacy_filter(inner))
        case {"anyOf": list(items)}:
            return any_of(parse_legacy_filter(item) for item in items)
        case {"allOf": list(items)}:
            return All(tuple(parse_legacy_filter(item) for item in items))
        case {"key": str(key), "values": list(values)}:
            return equals(key, *map(str, values))
        case {"key": str(key)}:
            return Has(key.lower())
    raise InputError("Malformed cursor: unknown filter")
