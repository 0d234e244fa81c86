"""Filter predicates (`query` in POST bodies and cursors): `$all`, `$any`, `$not`, `$exists`, `$in`, `$contains`, `$hasPrefix`.

The grammar and its quirks are those of Backstage filter-predicates 0.1.5 on the catalog backend 4.0.0.
"""

from typing import Any as AnyValue

from understage.catalog.predicate import (
    EVERYTHING,
    All,
    Any,
    Has,
    In,
    Not,
    Predicate,
    StartsWith,
    both,
    equals,
    has,
)
from understage.errors import InputError

OPERATORS = ("$exists", "$in", "$contains", "$hasPrefix")
# Deep trees come from attackers only; SQL engines have limits of their own.
DEEPEST = 32
LARGEST = 1000


def parse_predicate(value: AnyValue) -> Predicate:
    """Parse the JSON form. Raises InputError `Invalid query: …` for what is not a predicate."""
    return _Parser().parse(value, 0)


class _Parser:
    """Counts nodes while it descends."""

    def __init__(self) -> None:
        self._nodes = 0

    def parse(self, value: AnyValue, depth: int) -> Predicate:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > LARGEST:
            raise _invalid(f"more than {DEEPEST} levels or {LARGEST} conditions")
        if isinstance(value, str | int | float | bool):
            raise InputError(
                "Invalid filter predicate: top-level primitive values are not supported. "
                'Wrap the value in a field expression, e.g. { "kind": "x" }'
            )
        if not isinstance(value, dict):
            raise _invalid("Expected object")
        for name in ("$all", "$any", "$not"):
            if name in value:
                return self._combination(name, value, depth)
        for key in value:
            if key.startswith("$"):
                raise _invalid(f'Invalid at "{key}"')
        return both(*(self._field(key, item) for key, item in value.items()))

    def _combination(self, name: str, value: dict[str, AnyValue], depth: int) -> Predicate:
        others = [key for key in value if key != name]
        if others:
            raise _invalid("Unrecognized key(s) in object: " + ", ".join(f"'{key}'" for key in others))
        inner = value[name]
        if name == "$not":
            return Not(self.parse(inner, depth + 1))
        if not isinstance(inner, list):
            raise _invalid(f'Expected array at "{name}"')
        parsed = tuple(self.parse(item, depth + 1) for item in inner)
        return All(parsed) if name == "$all" else Any(parsed)

    def _field(self, key: str, value: AnyValue) -> Predicate:
        if isinstance(value, str | int | float | bool):
            return equals(key, text_of(value))
        if not isinstance(value, dict):
            raise _invalid(f'Invalid at "{key}"')
        if isinstance(value.get("$exists"), bool):
            return has(key) if value["$exists"] else Not(has(key))
        if isinstance(value.get("$in"), list) and all(
            isinstance(item, str | int | float | bool) for item in value["$in"]
        ):
            return equals(key, *map(text_of, value["$in"]))
        if "$contains" in value:
            return self._contains(key, value["$contains"])
        if isinstance(value.get("$hasPrefix"), str):
            return StartsWith(key.lower(), value["$hasPrefix"].lower())
        raise _invalid(f'Invalid at "{key}"')

    def _contains(self, key: str, value: AnyValue) -> Predicate:
        if isinstance(value, str | int | float | bool):
            return equals(key, text_of(value))
        if key.lower() != "relations":
            raise InputError(f'Object form of $contains is not supported for field "{key}"')
        if not isinstance(value, dict):
            raise _invalid(f'Invalid at "{key}"')
        parts = {name.lower(): item for name, item in value.items()}
        for name in value:
            if name.lower() not in ("type", "targetref"):
                raise InputError(
                    f'Unsupported key "{name}" in $contains for "relations". Only "type" and "targetRef" are supported'
                )
        if not isinstance(parts.get("type"), str):
            raise InputError('The $contains operator for "relations" requires a "type" string property')
        return self._relation(f"relations.{parts['type']}", parts.get("targetref"))

    def _relation(self, key: str, target: AnyValue) -> Predicate:
        match target:
            case None:
                return has(key)
            case str():
                return equals(key, target)
            case {"$in": []}:
                raise InputError('Empty "$in" array for $contains on "relations" is not allowed')
            case {"$in": list(targets)}:
                return equals(key, *map(str, targets))
        raise _invalid(f'Invalid at "{key}"')


def text_of(value: AnyValue) -> str:
    """A primitive as JavaScript's String() has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _invalid(reason: str) -> InputError:
    return InputError(f"Invalid query: Validation error: {reason}")


def dump_predicate(predicate: Predicate) -> dict[str, AnyValue] | None:
    """The JSON form, as cursors carry it; None for the predicate that holds for everything."""
    return None if predicate == EVERYTHING else _dump(predicate)


def _dump(predicate: Predicate) -> dict[str, AnyValue]:
    match predicate:
        case Has(key):
            return {key: {"$exists": True}}
        case In(key, (value,)):
            return {key: value}
        case In(key, values):
            return {key: {"$in": list(values)}}
        case StartsWith(key, prefix):
            return {key: {"$hasPrefix": prefix}}
        case All(of):
            return {"$all": [_dump(item) for item in of]}
        case Any(of):
            return {"$any": [_dump(item) for item in of]}
        case Not(of):
            return {"$not": _dump(of)}
