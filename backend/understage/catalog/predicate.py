"""What a query asks of entities, as a small tree over the search index. Parsed in `query`, turned into SQL in `store`.

Keys and values are lower-cased when the tree is made; a leaf is an independent existence test on the index.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Has:
    """The key exists, whatever its value (null included)."""

    key: str


@dataclass(frozen=True, slots=True)
class In:
    """Some value of the key is one of `values`; no values match nothing."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Some value of the key begins with `prefix`."""

    key: str
    prefix: str


@dataclass(frozen=True, slots=True)
class All:
    """All of the predicates hold; an empty list holds for everything."""

    of: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """One of the predicates holds; an empty list holds for nothing."""

    of: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The predicate does not hold."""

    of: "Predicate"


Predicate = Has | In | StartsWith | All | Any | Not

EVERYTHING = All(())
NOTHING = Any(())


def both(*predicates: Predicate | None) -> Predicate:
    """The conjunction of those that are given and say something."""
    said = tuple(predicate for predicate in predicates if predicate is not None and predicate != EVERYTHING)
    return said[0] if len(said) == 1 else All(said)


def equals(key: str, *values: str) -> In:
    """`In`, lower-cased."""
    return In(key.lower(), tuple(value.lower() for value in values))


def has(key: str) -> Has:
    """`Has`, lower-cased."""
    return Has(key.lower())


def any_of(predicates: Iterable[Predicate]) -> Any:
    """`Any` of an iterable."""
    return Any(tuple(predicates))
