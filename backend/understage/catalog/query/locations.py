"""Predicates on registered locations: four keys, matched in memory (a catalog has few of them)."""

from collections.abc import Mapping, Sequence

from understage.catalog.predicate import All, Any, Has, In, Not, Predicate, StartsWith
from understage.errors import InputError

KEYS = {"id": "id", "type": "type", "target": "target", "entityref": "entityRef"}


def filter_locations(locations: Sequence[dict[str, str]], predicate: Predicate) -> list[dict[str, str]]:
    """Those that match, by id. Raises InputError for a key that locations do not have."""
    _check_keys(predicate)
    return [location for location in sorted(locations, key=lambda item: item["id"]) if _matches(location, predicate)]


def _check_keys(predicate: Predicate) -> None:
    match predicate:
        case Has(key) | In(key, _) | StartsWith(key, _):
            if key not in KEYS:
                raise InputError(
                    f"Invalid filter predicate, expected key to be 'id', 'type', 'target', or 'entityRef', got '{key}'"
                )
        case All(of) | Any(of):
            for item in of:
                _check_keys(item)
        case Not(of):
            _check_keys(of)


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
