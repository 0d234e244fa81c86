"""Filters that look at an attribute of each element: groupby, sort, selectattr, rejectattr."""

import math
from functools import cmp_to_key

from understage.templating.errors import Fault
from understage.templating.filters.arrays import array_like
from understage.templating.filters.inputs import sequence
from understage.templating.members import own_member
from understage.templating.methods.method import argument
from understage.templating.scope import Run
from understage.templating.text import units
from understage.templating.values import (
    MISSING,
    RESERVED,
    UNDEFINED,
    SafeString,
    Value,
    admit,
    is_text,
    order,
    text_of,
    to_string,
    truthy,
)


def attribute_key(value: Value) -> str:
    """The name of an attribute; the reserved ones are a Fault."""
    key = to_string(value)
    if key in RESERVED:
        raise Fault(f"Template attribute {key} is reserved")
    return key


def project(run: Run, value: Value, key: str) -> list[Value]:
    """The attribute `key` of each element of `value`."""
    if isinstance(value, SafeString):
        if value.text:
            _attribute(UNDEFINED, key)
        return []
    items: list[Value] = []
    if isinstance(value, dict):
        items = array_like(run, value, strict=True)
    elif isinstance(value, list):
        items = value
    elif isinstance(value, str):
        items = list(units(value))
    run.meter.list_of(len(items))
    return [_attribute(item, key) for item in items]


def _attribute(value: Value, key: str) -> Value:
    if value is None or value is UNDEFINED:
        raise Fault("Cannot read a template attribute from a nullish value")
    found = own_member(value, key)
    return UNDEFINED if found is MISSING else found


def _path(value: Value) -> list[str]:
    if not truthy(value):
        return []
    return [attribute_key(part) for part in (value.split(".") if isinstance(value, str) else [value])]


def _follow(value: Value, path: list[str]) -> Value:
    for key in path:
        value = _attribute(value, key)
        if value is UNDEFINED and key != path[-1]:
            return UNDEFINED
    return value


def _sort(run: Run, value: Value, arguments: list[Value]) -> Value:
    items = array_like(run, value, strict=True) if isinstance(value, dict) else sequence(run, value)
    if items is None:
        return []
    reverse, sensitive = truthy(argument(arguments, 0)), truthy(argument(arguments, 1))
    path = _path(argument(arguments, 2))

    def comparable(item: Value) -> Value:
        return text_of(item).lower() if is_text(item) else item

    def compare(left: Value, right: Value) -> int:
        run.meter.work(1)
        first, second = _follow(left, path), _follow(right, path)
        if not sensitive and is_text(first) and is_text(second):
            first, second = comparable(first), comparable(second)
        ordered = order(first, second)
        return 0 if math.isnan(ordered) else int(-ordered if reverse else ordered)

    defined = sorted((item for item in items if item is not UNDEFINED), key=cmp_to_key(compare))
    return defined + [UNDEFINED] * (len(items) - len(defined))


def _groupby(run: Run, value: Value, arguments: list[Value]) -> Value:
    """An object of lists by the text of the attribute."""
    if value is None or value is UNDEFINED:
        raise Fault("groupby requires a sequence")
    items = array_like(run, value) if isinstance(value, dict) else sequence(run, value)
    if items is None:
        return {}
    path = _path(argument(arguments, 0))
    groups: dict[str, list[Value]] = {}
    for item in items:
        groups.setdefault(attribute_key(_follow(item, path)), []).append(item)
    return groups


def _choose(run: Run, value: Value, arguments: list[Value], *, keep: bool) -> Value:
    if not isinstance(value, list):
        raise Fault(f"{'selectattr' if keep else 'rejectattr'} requires an array")
    key = attribute_key(argument(arguments, 0))
    run.meter.work(len(value))
    return [item for item in value if truthy(_attribute(admit(item), key)) == keep]


FILTERS = {
    "groupby": _groupby,
    "rejectattr": lambda run, value, arguments: _choose(run, value, arguments, keep=False),
    "selectattr": lambda run, value, arguments: _choose(run, value, arguments, keep=True),
    "sort": _sort,
}
