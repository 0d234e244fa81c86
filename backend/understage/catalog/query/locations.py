"""Predicates on registered locations: four keys, matched in memory (a catalog has few of them)."""

from collections.abc import Mapping, Sequence
from typing import Any as AnyValue

from understage.catalog.predicate import NOTHING, All, Any, Has, In, Not, Predicate, StartsWith, any_of, both
from understage.catalog.query.predicates import Wire, clean_predicate, read_predicate
from understage.errors import InputError

KEYS = {"id": "id", "type": "type", "target": "target", "entityref": "entityRef"}


def parse_location_predicate(value: AnyValue) -> Predicate:
    """Parse the JSON form. Raises InputError for another shape, and for a key that locations do not have.

    Unlike for entities, an empty `$all` and any `$contains` hold for nothing (Backstage catalog-backend 4.0.0).
    """
    return _read(clean_predicate(value))


def _read(wire: AnyValue) -> Predicate:
    match wire:
        case {"$not": inner}:
            return Not(_read(inner))
        case {"$all": []}:
            return NOTHING
        case {"$all": parts}:
            return All(tuple(map(_read, parts)))
        case {"$any": parts}:
            return any_of(map(_read, parts))
        case dict():
            return both(*(_read_field(key, field) for key, field in wire.items()))
    raise InputError("Invalid filter predicate, expected an object")


def _read_field(key: str, value: AnyValue) -> Predicate:
    if key.lower() not in KEYS:
        raise InputError(
            f"Invalid filter predicate, expected key to be 'id', 'type', 'target', or 'entityRef', got '{key}'"
        )
    wire: Wire = {key: value}
    return NOTHING if isinstance(value, dict) and "$contains" in value else read_predicate(wire)


def filter_locations(locations: Sequence[dict[str, str]], predicate: Predicate) -> list[dict[str, str]]:
    """Those that match, by id."""
    return [location for location in sorted(locations, key=lambda item: item["id"]) if _matches(location, predicate)]


def _matches(location: Mapping[str, str], predicate: Predicate) -> bool:
    match predicate:
        case Has():
            return True
        case In(key, values):
            return location[KEYS[key]].lower() in values
        case StartsWith(key, prefix):
            return location[KEYS[key]].lower().startswith(prefix)
        case All(of):
            return all(_matches(location, item) for item in of)
        case Any(of):
            return any(_matches(location, item) for item in of)
        case Not(of):
            return not _matches(location, of)
