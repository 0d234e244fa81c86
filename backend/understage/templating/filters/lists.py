"""Filters that arrange lists: batch, slice, dictsort, join, sum, select, reject."""

import math
from functools import cmp_to_key

from understage.templating.errors import Fault
from understage.templating.filters.arrays import array_like, present_members
from understage.templating.filters.attributes import attribute_key, project
from understage.templating.filters.inputs import sequence
from understage.templating.methods.lists import join_items
from understage.templating.methods.method import argument
from understage.templating.operators import add
from understage.templating.scope import Run
from understage.templating.tests import apply_test, test_arity
from understage.templating.text import merge_units, units
from understage.templating.values import (
    UNDEFINED,
    Value,
    admit,
    is_text,
    order,
    record_items,
    strict_equal,
    text_of,
    to_number,
    to_string,
    truthy,
)


def _positive(value: Value, message: str) -> int:
    number = to_number(value)
    if not math.isfinite(number) or number < 1 or number >= 2**53:
        raise Fault(message)
    return int(number)


def _batch(run: Run, value: Value, arguments: list[Value]) -> Value:
    """Rows of so many elements; the last is filled up when a fill is given."""
    if value is None or value is UNDEFINED:
        raise Fault("batch requires a sequence")
    width = _positive(argument(arguments, 0), "Batch size must be a positive integer")
    items = array_like(run, value) if isinstance(value, dict) else sequence(run, value)
    rows = [items[start : start + width] for start in range(0, len(items), width)] if items else []
    fill = argument(arguments, 1)
    if rows and truthy(fill):
        run.meter.list_of(width - len(rows[-1]))
        rows[-1] += [fill] * (width - len(rows[-1]))
    return rows


def _slice(run: Run, value: Value, arguments: list[Value]) -> Value:
    """So many parts, the first ones longer; a fill is added to the shorter."""
    if is_text(value):
        items: str | list[Value] = units(text_of(value))
    else:
        found = sequence(run, value)
        if found is None:
            raise Fault("slice requires a sequence")
        items = found
    count = _positive(argument(arguments, 0), "Slice count must be a positive integer")
    run.meter.list_of(count)
    size, longer = divmod(len(items), count)
    fill, parts, start = argument(arguments, 1), list[Value](), 0
    for index in range(count):
        end = start + size + (index < longer)
        part: Value = items[start:end]
        if truthy(fill) and index >= longer:
            if isinstance(part, str):
                raise Fault("slice cannot append a fill value to a string")
            part = [*part, fill]
        parts.append(merge_units(part) if isinstance(part, str) else part)
        start = end
    return parts


def _dictsort(run: Run, value: Value, arguments: list[Value]) -> Value:
    """Pairs of key and value, sorted by one of them."""
    if not isinstance(value, dict):
        raise Fault("dictsort requires a record")
    sensitive, by = truthy(argument(arguments, 0)), argument(arguments, 1)
    if by is not UNDEFINED and not strict_equal(by, "key") and not strict_equal(by, "value"):
        raise Fault("dictsort can only sort by key or value")
    index = 1 if strict_equal(by, "value") else 0

    def comparable(item: Value) -> Value:
        return text_of(item).upper() if is_text(item) and not sensitive else item

    def compare(left: list[Value], right: list[Value]) -> int:
        first, second = comparable(left[index]), comparable(right[index])
        if order(first, second) > 0:
            return 1
        return 0 if strict_equal(first, second) else -1

    pairs = [[key, item] for key, item in record_items(value)]
    run.meter.list_of(len(pairs))
    return sorted(pairs, key=cmp_to_key(compare))


def _join(run: Run, value: Value, arguments: list[Value]) -> Value:
    given, attribute = argument(arguments, 0), argument(arguments, 1)
    separator = to_string(given) if truthy(given) else ""
    if truthy(attribute):
        return join_items(run, project(run, value, attribute_key(attribute)), separator)
    if not isinstance(value, list):
        raise Fault("join requires an array")
    return join_items(run, value, separator)


def _sum(run: Run, value: Value, arguments: list[Value]) -> Value:
    attribute = argument(arguments, 0)
    if truthy(attribute):
        items = project(run, value, attribute_key(attribute))
    elif isinstance(value, list):
        items = value
    else:
        raise Fault("sum requires an array")
    total: Value = 0
    for item in items:
        run.meter.work(1)
        total = add(run, total, admit(item))
    start = argument(arguments, 1)
    return add(run, 0 if start is UNDEFINED else start, total)


def _choose(run: Run, value: Value, arguments: list[Value], *, keep: bool) -> Value:
    name = "truthy" if argument(arguments, 0) is UNDEFINED else to_string(arguments[0])
    arity = test_arity(name)
    if value is None or value is UNDEFINED:
        raise Fault(f"{'select' if keep else 'reject'} requires a sequence")
    items = present_members(run, value) if isinstance(value, dict) else sequence(run, value)
    operands = arguments[1:]
    if items is None:
        return []
    if len(operands) != arity:
        raise Fault(f"Template test {name} requires {arity} positional arguments")
    return [item for item in items if apply_test(run, name, item, operands) == keep]


FILTERS = {
    "batch": _batch,
    "dictsort": _dictsort,
    "join": _join,
    "reject": lambda run, value, arguments: _choose(run, value, arguments, keep=False),
    "select": lambda run, value, arguments: _choose(run, value, arguments, keep=True),
    "slice": _slice,
    "sum": _sum,
}
