"""The `filter` query parameter, and the legacy filter object inside old cursors.

Each occurrence is a set; sets are ORed, statements of a set ANDed, repeated keys of a set ORed
(Backstage catalog-backend 4.0.0).
"""

from collections.abc import Iterable
from typing import Any as AnyValue

from understage.catalog.predicate import EVERYTHING, All, Has, Not, Predicate, any_of, equals
from understage.catalog.query.predicates import Wire, read_predicate
from understage.errors import InputError


def parse_filters(filters: Iterable[str]) -> Predicate:
    """The predicate of all `filter` parameters of a request; everything when none says something.

    Raises InputError for a statement without a key.
    """
    wire = wire_of_filters(filters)
    return EVERYTHING if wire is None else read_predicate(wire)


def wire_of_filters(filters: Iterable[str]) -> Wire | None:
    """The same as a predicate in JSON, as cursors carry it; None when no filter says something."""
    sets = [wire for wire in map(_wire_of_set, filters) if wire is not None]
    return {"$any": sets} if len(sets) > 1 else next(iter(sets), None)


def _wire_of_set(text: str) -> Wire | None:
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
    leaves = [_wire_of_key(key, found) for key, found in values.items()]
    return {"$all": leaves} if len(leaves) > 1 else next(iter(leaves), None)


def _wire_of_key(key: str, values: list[str]) -> Wire:
    match values:
        case []:
            return {key: {"$exists": True}}
        case [value]:
            return {key: value}
    return {key: {"$in": values}}


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
        case {"key": str(key), "values": list(values)} if all(isinstance(item, str) for item in values):
            return equals(key, *values)
        case {"key": str(key), **rest} if "values" not in rest:
            return Has(key.lower())
    raise InputError("Malformed cursor: unknown filter")
