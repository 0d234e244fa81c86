"""Methods of lists. Those that change their receiver change it for the present render only: it works on a copy."""

import math
from functools import cmp_to_key

from understage.templating.errors import Fault
from understage.templating.methods.method import Method, argument, integer, position
from understage.templating.scope import Run
from understage.templating.text import join_units
from understage.templating.values import (
    UNDEFINED,
    Value,
    admit,
    order,
    same_value_zero,
    strict_equal,
    to_integer,
    to_string,
)

Items = list[Value]


def _at(run: Run, items: Items, arguments: list[Value]) -> Value:
    index = to_integer(arguments[0])
    index = index + len(items) if index < 0 else index
    return admit(items[int(index)]) if 0 <= index < len(items) else UNDEFINED


def _concat(run: Run, items: Items, arguments: list[Value]) -> Value:
    result = list(items)
    for value in arguments:
        run.meter.list_of(len(result))
        result.extend(value if isinstance(value, list) else [value])
    return result


def _flat(run: Run, items: Items, arguments: list[Value]) -> Value:
    result: Items = []
    _flatten(run, items, integer(argument(arguments, 0), 1), result)
    return result


def _flatten(run: Run, items: Items, depth: float, result: Items) -> None:
    for item in items:
        run.meter.work(1)
        if depth > 0 and isinstance(item, list):
            _flatten(run, item, depth - 1, result)
        else:
            run.meter.list_of(1)
            result.append(item)


def _includes(run: Run, items: Items, arguments: list[Value]) -> Value:
    start = position(integer(argument(arguments, 1), 0), len(items))
    run.meter.work(len(items))
    return any(same_value_zero(admit(item), arguments[0]) for item in items[start:])


def _index_of(run: Run, items: Items, arguments: list[Value]) -> Value:
    start = position(integer(argument(arguments, 1), 0), len(items))
    run.meter.work(len(items))
    return next((index for index in range(start, len(items)) if strict_equal(admit(items[index]), arguments[0])), -1)


def _last_index_of(run: Run, items: Items, arguments: list[Value]) -> Value:
    given = integer(argument(arguments, 1), len(items) - 1)
    start = min(given, len(items) - 1) if given >= 0 else len(items) + given
    run.meter.work(len(items))
    if not math.isfinite(start):
        return -1
    return next((index for index in range(int(start), -1, -1) if strict_equal(admit(items[index]), arguments[0])), -1)


def join_items(run: Run, items: Items, separator: str) -> str:
    """The items as text with `separator` between; null and undefined are empty."""
    texts = ["" if item is None or item is UNDEFINED else to_string(admit(item)) for item in items]
    run.meter.grow(sum(map(len, texts)) + len(separator) * len(texts))
    return join_units(texts, separator)


def _join(run: Run, items: Items, arguments: list[Value]) -> Value:
    separator = argument(arguments, 0)
    return join_items(run, items, "," if separator is UNDEFINED else to_string(separator))


def _slice(run: Run, items: Items, arguments: list[Value]) -> Value:
    start = position(integer(argument(arguments, 0), 0), len(items))
    return items[start : position(integer(argument(arguments, 1), len(items)), len(items))]


def _push(run: Run, items: Items, arguments: list[Value]) -> Value:
    _refuse_cycles(run, items, arguments)
    items.extend(arguments)
    return len(items)


def _pop(run: Run, items: Items, arguments: list[Value]) -> Value:
    if run.compatible and argument(arguments, 0) is not UNDEFINED:
        index = to_integer(arguments[0])
        index = index + len(items) if index < 0 else index
        return admit(items.pop(int(index))) if 0 <= index < len(items) else UNDEFINED
    if arguments and not run.compatible:
        raise Fault("Template intrinsic pop requires 0 positional arguments")
    return admit(items.pop()) if items else UNDEFINED


def _shift(run: Run, items: Items, arguments: list[Value]) -> Value:
    return admit(items.pop(0)) if items else UNDEFINED


def _unshift(run: Run, items: Items, arguments: list[Value]) -> Value:
    _refuse_cycles(run, items, arguments)
    items[:0] = arguments
    return len(items)


def _splice(run: Run, items: Items, arguments: list[Value]) -> Value:
    if argument(arguments, 0) is UNDEFINED:
        return []
    start = position(to_integer(arguments[0]), len(items))
    end = len(items)
    inserted = arguments[2:]
    if argument(arguments, 1) is not UNDEFINED:
        end = min(start + max(0, position(max(to_integer(arguments[1]), 0), len(items))), len(items))
    else:
        inserted = []
    _refuse_cycles(run, items, inserted)
    removed = items[start:end]
    items[start:end] = inserted
    return removed


def _sort(run: Run, items: Items, arguments: list[Value]) -> Value:
    def compare(left: tuple[str, Value], right: tuple[str, Value]) -> int:
        return int(order(left[0], right[0]))

    defined = [(to_string(admit(item)), item) for item in items if item is not UNDEFINED]
    run.meter.work(len(items) * 4)
    defined.sort(key=cmp_to_key(compare))
    items[:] = [item for _, item in defined] + [UNDEFINED] * (len(items) - len(defined))
    return items


def _reverse(run: Run, items: Items, arguments: list[Value]) -> Value:
    items.reverse()
    return items


def _fill(run: Run, items: Items, arguments: list[Value]) -> Value:
    _refuse_cycles(run, items, arguments[:1])
    start = position(integer(argument(arguments, 1), 0), len(items))
    end = position(integer(argument(arguments, 2), len(items)), len(items))
    items[start:end] = [arguments[0]] * max(0, end - start)
    return items


def _copy_within(run: Run, items: Items, arguments: list[Value]) -> Value:
    length = len(items)
    target = position(to_integer(arguments[0]), length)
    start = position(integer(argument(arguments, 1), 0), length)
    end = position(integer(argument(arguments, 2), length), length)
    copied = items[start:end][: length - target]
    items[target : target + len(copied)] = copied
    return items


def _insert(run: Run, items: Items, arguments: list[Value]) -> Value:
    _refuse_cycles(run, items, arguments[1:])
    items.insert(position(to_integer(arguments[0]), len(items)), arguments[1])
    return []


def _remove(run: Run, items: Items, arguments: list[Value]) -> Value:
    index = _index_of(run, items, arguments[:1])
    return [] if index < 0 else [admit(items.pop(index))]


def _count(run: Run, items: Items, arguments: list[Value]) -> Value:
    run.meter.work(len(items))
    return sum(strict_equal(admit(item), arguments[0]) for item in items)


def _refuse_cycles(run: Run, items: Items, added: list[Value]) -> None:
    """Raise a Fault when an added value contains the list it is added to, or the list would grow too long."""
    run.meter.list_of(len(added))
    if len(items) + len(added) > run.meter.limits.entries:
        run.meter.list_of(len(items) + len(added))
    pending, seen = list(added), set()
    while pending:
        value = pending.pop()
        if value is items:
            raise Fault("Cyclic template values are not supported")
        if isinstance(value, list | dict) and id(value) not in seen:
            seen.add(id(value))
            run.meter.work(len(value))
            pending.extend(value if isinstance(value, list) else value.values())


METHODS = {
    "at": Method(_at, 1, 1),
    "concat": Method(_concat),
    "copyWithin": Method(_copy_within, 1, 3),
    "fill": Method(_fill, 1, 3),
    "flat": Method(_flat, 0, 1),
    "includes": Method(_includes, 1, 2),
    "indexOf": Method(_index_of, 1, 2),
    "join": Method(_join, 0, 1),
    "lastIndexOf": Method(_last_index_of, 1, 2),
    "pop": Method(_pop, 0, 1),
    "push": Method(_push),
    "reverse": Method(_reverse, 0, 0),
    "shift": Method(_shift, 0, 0),
    "slice": Method(_slice, 0, 2),
    "sort": Method(_sort, 0, 0),
    "splice": Method(_splice),
    "unshift": Method(_unshift),
}

PYTHON_METHODS = {
    "append": Method(_push, 1, 1),
    "count": Method(_count, 1, 1),
    "find": Method(_index_of, 1, 1),
    "index": Method(_index_of, 1, 1),
    "insert": Method(_insert, 2, 2),
    "remove": Method(_remove, 1, 1),
}
