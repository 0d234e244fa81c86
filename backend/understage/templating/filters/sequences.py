"""Filters on whatever has elements, members or a length: first, last, length, list, reverse, random; and default and dump."""

import secrets

from understage.templating.errors import Fault
from understage.templating.filters.arrays import array_like
from understage.templating.filters.inputs import like, sequence
from understage.templating.json_text import json_text
from understage.templating.members import own_member
from understage.templating.methods.method import argument
from understage.templating.numbers import subtract
from understage.templating.scope import Run
from understage.templating.text import length, merge_units, units
from understage.templating.values import (
    MISSING,
    UNDEFINED,
    Value,
    is_text,
    record_items,
    text_of,
    to_number,
    to_string,
    truthy,
)


def _default(run: Run, value: Value, arguments: list[Value]) -> Value:
    """The argument in place of undefined, or of all that is false when the second argument is true."""
    replaces = not truthy(value) if truthy(argument(arguments, 1)) else value is UNDEFINED
    return argument(arguments, 0) if replaces else value


def _dump(run: Run, value: Value, arguments: list[Value]) -> Value:
    """JSON.stringify with an indentation."""
    return json_text(value, argument(arguments, 0), run.meter)


def _first(run: Run, value: Value, arguments: list[Value]) -> Value:
    return _edge(value, "first", 0)


def _last(run: Run, value: Value, arguments: list[Value]) -> Value:
    if value is None or value is UNDEFINED:
        raise Fault("last requires a sequence")
    count = own_member(value, "length")
    return _edge(value, "last", subtract(to_number(UNDEFINED if count is MISSING else count), 1))


def _edge(value: Value, name: str, index: float) -> Value:
    if value is None or value is UNDEFINED:
        raise Fault(f"{name} requires a sequence")
    found = own_member(value, to_string(index))
    return UNDEFINED if found is MISSING else found


def _length(run: Run, value: Value, arguments: list[Value]) -> Value:
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return sum(1 for _ in record_items(value))
    if is_text(value):
        return length(text_of(value))
    return 0 if value is UNDEFINED or value is None or value is False else UNDEFINED


def _list(run: Run, value: Value, arguments: list[Value]) -> Value:
    if isinstance(value, list):
        return value
    if is_text(value):
        return sequence(run, value)
    if isinstance(value, dict):
        return [{"key": key, "value": item} for key, item in record_items(value)]
    raise Fault("list requires an iterable value")


def _random(run: Run, value: Value, arguments: list[Value]) -> Value:
    if value is None or value is UNDEFINED:
        raise Fault("random requires a sequence")
    items = array_like(run, value) if isinstance(value, dict) else sequence(run, value)
    return secrets.choice(items) if items else UNDEFINED


def _reverse(run: Run, value: Value, arguments: list[Value]) -> Value:
    if is_text(value):
        return like(value, merge_units(units(text_of(value))[::-1]))
    items = array_like(run, value, strict=True) if isinstance(value, dict) else sequence(run, value)
    return (items or [])[::-1]


FILTERS = {
    "d": _default,
    "default": _default,
    "dump": _dump,
    "first": _first,
    "last": _last,
    "length": _length,
    "list": _list,
    "random": _random,
    "reverse": _reverse,
}
