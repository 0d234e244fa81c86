"""What a `for` walks over: lists, strings and objects, each as Nunjucks does. Called by `statements`."""

from collections.abc import Iterable
from typing import NamedTuple

from understage.templating import numbers
from understage.templating.errors import Fault
from understage.templating.limits import Meter
from understage.templating.members import own_member
from understage.templating.scope import Scope
from understage.templating.text import units
from understage.templating.values import MISSING, UNDEFINED, SafeString, Value, admit, record_items, to_number


class Iteration(NamedTuple):
    """The entries of a loop. `as_list` says which of the two generated bodies runs: that for lists or that for objects."""

    as_list: bool
    length: Value
    values: Iterable[Value]


def iterate(value: Value, *, single: bool, meter: Meter) -> Iteration:
    """The entries of `value` for a loop with one target or several."""
    if isinstance(value, list):
        return Iteration(True, len(value), [admit(item) for item in value])
    if type(value) is SafeString:
        spelled = units(value.text)
        return Iteration(True, len(spelled), spelled)
    if isinstance(value, str):
        spelled = units(value)
        return Iteration(
            False, len(spelled), spelled if single else [[str(index), unit] for index, unit in enumerate(spelled)]
        )
    if isinstance(value, dict):
        if single:
            length = own_member(value, "length")
            length = UNDEFINED if length is MISSING else length
            return Iteration(False, length, _indexed(value, to_number(length), meter))
        items = [[key, item] for key, item in record_items(value)]
        return Iteration(False, len(items), items)
    return Iteration(False, UNDEFINED if single else 0, ())


def destructure(entry: Value, index: int) -> Value:
    """The part of an entry that belongs to the target at `index`."""
    if entry is None or entry is UNDEFINED:
        raise Fault("Cannot destructure a nullish loop value")
    if isinstance(entry, SafeString):
        return UNDEFINED
    found = own_member(entry, str(index))
    return UNDEFINED if found is MISSING else found


def bind_loop_variable(scope: Scope, index: int, count: float, length: Value) -> None:
    """Bind `loop` for one turn."""
    scope.names["loop"] = {
        "index": index + 1,
        "index0": index,
        "revindex": numbers.subtract(count, index),
        "revindex0": numbers.subtract(numbers.subtract(count, index), 1),
        "first": index == 0,
        "last": index == numbers.subtract(count, 1),
        "length": length,
    }


def _indexed(record: dict[str, Value], length: float, meter: Meter) -> Iterable[Value]:
    """The members 0, 1, … of an object with a length, as of an array-like."""
    index = 0
    while index < length:
        meter.work(1)
        found = own_member(record, str(index))
        yield UNDEFINED if found is MISSING else found
        index += 1
