"""Filter predicates (`query` in POST bodies and cursors): `$all`, `$any`, `$not`, `$exists`, `$in`, `$contains`, `$hasPrefix`.

The grammar and its quirks are those of Backstage filter-predicates 0.1.5 on the catalog backend 4.0.0.
"""

from typing import Any as AnyValue

from understage.catalog.predicate import All, Any, Not, Predicate, StartsWith, both, equals, has
from understage.catalog.stitching.search_values import number_text
from understage.errors import InputError
from understage.platform.json import dumps_text

# Deep trees come from attackers only; SQL engines have limits of their own.
DEEPEST = 32
LARGEST = 1000

Wire = dict[str, AnyValue]
"""The JSON form of a predicate."""


def parse_predicate(value: AnyValue) -> Predicate:
    """Parse the JSON form. Raises InputError, mostly `Invalid query: …`, for what is not a predicate."""
    return read_predicate(clean_predicate(value))


def clean_predicate(value: AnyValue) -> AnyValue:
    """The JSON form without what does not count (operators beside the one that does), as the stock schema leaves it.

    Raises InputError `Invalid query: Validation error: …` for another shape.
    """
    return _Cleaner().clean(value, 0)


class _Cleaner:
    """Counts nodes while it descends."""

    def __init__(self) -> None:
        self._nodes = 0

    def clean(self, value: AnyValue, depth: int) -> AnyValue:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > LARGEST:
            raise _invalid(f"more than {DEEPEST} levels or {LARGEST} conditions")
        if _is_primitive(value):
            return value
        if not isinstance(value, dict):
            raise _invalid("Expected object")
        for name in ("$all", "$any", "$not"):
            if name in value:
                return self._combination(name, value, depth)
        for key in value:
            if key.startswith("$") or "\n" in key or "\r" in key:
                raise _invalid(f'Invalid at "{key}"')
        return {key: self._value(key, item, depth) for key, item in value.items()}

    def _combination(self, name: str, value: Wire, depth: int) -> Wire:
        others = [key for key in value if key != name]
        if others:
            raise _invalid("Unrecognized key(s) in object: " + ", ".join(f"'{key}'" for key in others))
        inner = value[name]
        if name == "$not":
            return {name: self.clean(inner, depth + 1)}
        if not isinstance(inner, list):
            raise _invalid(f'Expected array at "{name}"')
        return {name: [self.clean(item, depth + 1) for item in inner]}

    def _value(self, key: str, value: AnyValue, depth: int) -> AnyValue:
        match value:
            case {"$exists": bool(wanted)}:
                return {"$exists": wanted}
            case {"$in": list(wanted)} if all(map(_is_primitive, wanted)):
                return {"$in": wanted}
            case {"$contains": wanted}:
                return {"$contains": self.clean(wanted, depth + 1)}
            case {"$hasPrefix": str(prefix)}:
                return {"$hasPrefix": prefix}
        if _is_primitive(value):
            return value
        raise _invalid(f'Invalid at "{key}"')


def read_predicate(wire: AnyValue) -> Predicate:
    """The meaning of a clean predicate. Raises InputError for one that the index cannot answer."""
    if _is_primitive(wire):
        example = dumps_text(wire)
        raise InputError(
            "Invalid filter predicate: top-level primitive values are not supported. "
            f'Wrap the value in a field expression, e.g. {{ "kind": {example} }}'
        )
    match wire:
        case {"$not": inner}:
            return Not(read_predicate(inner))
        case {"$all": parts}:
            return All(tuple(map(read_predicate, parts)))
        case {"$any": parts}:
            return Any(tuple(map(read_predicate, parts)))
    return both(*(_read_field(key, value) for key, value in wire.items()))


def _read_field(key: str, value: AnyValue) -> Predicate:
    match value:
        case {"$exists": wanted}:
            return has(key) if wanted else Not(has(key))
        case {"$in": wanted}:
            return equals(key, *map(text_of, wanted))
        case {"$hasPrefix": prefix}:
            return StartsWith(key.lower(), prefix.lower())
        case {"$contains": dict(target)} if key.lower() == "relations":
            return _read_relation(target)
        case {"$contains": dict()}:
            raise InputError(f'Object form of $contains is not supported for field "{key.lower()}"')
        case {"$contains": primitive}:
            return equals(key, text_of(primitive))
    return equals(key, text_of(value))


def _read_relation(target: Wire) -> Predicate:
    type, refs = None, None
    for written, value in target.items():
        match written.lower():
            case "type" if type is None:
                if not isinstance(value, str):
                    raise InputError(NO_RELATION_TYPE)
                type = value
            case "targetref" if refs is None:
                refs = _read_refs(value)
            case "type" | "targetref":
                raise InputError(f'Duplicate key "{written}" in $contains for "relations"')
            case _:
                raise InputError(
                    f'Unsupported key "{written}" in $contains for "relations". '
                    'Only "type" and "targetRef" are supported'
                )
    if not type:
        raise InputError(NO_RELATION_TYPE)
    key = f"relations.{type}"
    return has(key) if refs is None else equals(key, *refs)


NO_RELATION_TYPE = 'The $contains operator for "relations" requires a "type" string property'


def _read_refs(value: AnyValue) -> list[str]:
    match value:
        case str():
            return [value]
        case {"$in": []}:
            raise InputError('Empty "$in" array for $contains on "relations" is not allowed')
        case {"$in": list(refs)} if all(isinstance(ref, str) for ref in refs):
            return refs
    raise InputError(
        'Unsupported value in $contains for "relations": '
        f'expected a string or {{ "$in": [strings] }}, but got {dumps_text(value)}'
    )


def _is_primitive(value: AnyValue) -> bool:
    return isinstance(value, str | int | float | bool)


def text_of(value: AnyValue) -> str:
    """A primitive as JavaScript's String() has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_text(value) or "NaN"


def _invalid(reason: str) -> InputError:
    return InputError(f"Invalid query: Validation error: {reason}")
