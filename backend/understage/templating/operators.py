"""The operators of the language, on values. Called by the closures of `compiling`."""

import math
from collections.abc import Callable

from understage.templating import numbers
from understage.templating.errors import Fault
from understage.templating.members import own_member
from understage.templating.scope import Run
from understage.templating.text import merge_units
from understage.templating.values import (
    MISSING,
    RESERVED,
    UNDEFINED,
    Invocable,
    SafeString,
    Value,
    admit,
    is_number,
    loose_equal,
    order,
    primitive_text,
    strict_equal,
    to_number,
    to_primitive,
    to_string,
    truthy,
)

Operator = Callable[[Run, Value, Value], Value]


def join_text(run: Run, left: str, right: str) -> str:
    """left + right for strings, charged."""
    size = len(left) + len(right)
    if size > 64:
        run.meter.grow(size)
    joined = left + right
    if left and right and "\ud800" <= left[-1] <= "\udbff" and "\udc00" <= right[0] <= "\udfff":
        return merge_units(joined)
    return joined


def add(run: Run, left: Value, right: Value) -> Value:
    """left + right: text when either side is text."""
    if is_number(left) and is_number(right):
        return numbers.add(left, right)
    run.refuse_callables(left, right)
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) or isinstance(right, str):
        return join_text(run, primitive_text(left), primitive_text(right))
    return numbers.add(to_number(left), to_number(right))


def concatenate(run: Run, left: Value, right: Value) -> Value:
    """left ~ right."""
    run.refuse_callables(left, right)
    return join_text(run, to_string(left), to_string(right))


def contains(run: Run, needle: Value, container: Value) -> bool:
    """needle in container: part of a string, element of a list, key of an object."""
    if isinstance(container, str):
        return to_string(needle) in container
    if isinstance(container, list):
        run.meter.work(len(container))
        return any(strict_equal(admit(item), needle) for item in container)
    if isinstance(container, dict):
        key = to_string(needle)
        return key not in RESERVED and key in container
    if type(container) is SafeString:
        return to_string(needle) in ("length", "val")
    raise Fault("Membership requires an array, record, or string")


def compare(operator: str, left: Value, right: Value) -> bool:
    """left operator right for the operators of a Compare node."""
    if operator == "==":
        return loose_equal(left, right)
    if operator == "!=":
        return not loose_equal(left, right)
    if operator == "===":
        return strict_equal(left, right)
    if operator == "!==":
        return not strict_equal(left, right)
    ordered = order(left, right)
    if operator == "<":
        return ordered < 0
    if operator == "<=":
        return ordered <= 0
    return ordered > 0 if operator == ">" else ordered >= 0


def _on_numbers(operation: Callable[[float, float], float]) -> Operator:
    def operator(run: Run, left: Value, right: Value) -> Value:
        run.refuse_callables(left, right)
        return operation(to_number(left), to_number(right))

    return operator


BINARY: dict[str, Operator] = {
    "+": add,
    "~": concatenate,
    "-": _on_numbers(numbers.subtract),
    "*": _on_numbers(numbers.multiply),
    "/": _on_numbers(numbers.divide),
    "%": _on_numbers(numbers.remainder),
    "**": _on_numbers(numbers.power),
    "in": contains,
}


def negate(value: Value) -> Value:
    """-value."""
    return numbers.negate(to_number(value))


def floor(value: Value) -> Value:
    """Math.floor(value)."""
    number = to_number(value)
    return numbers.simplify(math.floor(number)) if math.isfinite(number) else number


UNARY: dict[str, Callable[[Value], Value]] = {
    "not": lambda value: not truthy(value),
    "-": negate,
    "+": to_number,
    "floor": floor,
}


def slice_value(run: Run, target: Value, start: Value, stop: Value, step: Value) -> list[Value]:
    """target[start:stop:step] as a list, element by element, with the comparisons of JavaScript."""
    if isinstance(target, Invocable):
        raise Fault("Callable values cannot be sliced")
    target = target if truthy(target) else []
    length = own_member(target, "length")
    length = UNDEFINED if length is MISSING else length
    if not math.isfinite(to_number(step)) or to_number(step) == 0:
        raise Fault("Slice step must have finite non-zero numeric coercion")
    direction = order(step, 0)
    if start is None:
        start = numbers.subtract(to_number(length), 1) if direction < 0 else 0
    if stop is None:
        stop = -1 if direction < 0 else length
    elif order(stop, 0) < 0:
        stop = add(run, stop, length)
    if order(start, 0) < 0:
        start = add(run, start, length)
    result: list[Value] = []
    while not (order(start, 0) < 0 or order(start, length) > 0):
        ordered = order(start, stop)
        if (direction > 0 and ordered >= 0) or (direction < 0 and ordered <= 0):
            break
        run.meter.list_of(1)
        item = own_member(target, to_string(start))
        run.refuse_callables(item)
        result.append(UNDEFINED if item is MISSING else item)
        start = add(run, start, step)
        if len(result) > run.meter.limits.entries:
            run.meter.list_of(len(result))
    return result
