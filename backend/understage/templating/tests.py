"""The tests behind `is`: defined, divisibleby, even … Called by `compiling` and by the filters select and reject."""

from collections.abc import Callable

from understage.templating.errors import Fault, quote
from understage.templating.numbers import remainder
from understage.templating.scope import Run
from understage.templating.values import (
    UNDEFINED,
    Invocable,
    Regex,
    SafeString,
    Value,
    is_number,
    order,
    strict_equal,
    text_of,
    to_number,
    truthy,
)


def _iterable(value: Value) -> bool:
    if value is None or value is UNDEFINED:
        raise Fault("iterable test requires a value")
    return isinstance(value, str | SafeString | list)


def _lower(value: Value) -> bool:
    return not isinstance(value, SafeString) and text_of(value).lower() == text_of(value)


def _upper(value: Value) -> bool:
    return not isinstance(value, SafeString) and text_of(value).upper() == text_of(value)


_PLAIN: dict[str, Callable[[Value], bool]] = {
    "callable": lambda value: isinstance(value, Invocable),
    "defined": lambda value: value is not UNDEFINED,
    "escaped": lambda value: isinstance(value, SafeString),
    "even": lambda value: remainder(to_number(value), 2) == 0,
    "falsy": lambda value: not truthy(value),
    "iterable": _iterable,
    "lower": _lower,
    "mapping": lambda value: isinstance(value, dict | SafeString | Regex),
    "null": lambda value: value is None,
    "number": is_number,
    "odd": lambda value: remainder(to_number(value), 2) == 1,
    "string": lambda value: isinstance(value, str),
    "truthy": truthy,
    "undefined": lambda value: value is UNDEFINED,
    "upper": _upper,
}
_WITH_OPERAND: dict[str, Callable[[Value, Value], bool]] = {
    "divisibleby": lambda value, other: remainder(to_number(value), to_number(other)) == 0,
    "eq": strict_equal,
    "equalto": strict_equal,
    "ge": lambda value, other: order(value, other) >= 0,
    "greaterthan": lambda value, other: order(value, other) > 0,
    "gt": lambda value, other: order(value, other) > 0,
    "le": lambda value, other: order(value, other) <= 0,
    "lessthan": lambda value, other: order(value, other) < 0,
    "lt": lambda value, other: order(value, other) < 0,
    "ne": lambda value, other: not strict_equal(value, other),
    "sameas": strict_equal,
}
_TAKE_CALLABLES = frozenset(("callable", "eq", "equalto", "ne", "sameas"))


def test_arity(name: str) -> int:
    """How many arguments the test `name` takes; a Fault when there is no such test."""
    if name in _PLAIN:
        return 0
    if name in _WITH_OPERAND:
        return 1
    raise Fault(f"Unknown template test {quote(name)}")


def apply_test(run: Run, name: str, value: Value, operands: list[Value]) -> bool:
    """The outcome of a test; `operands` are as many as its arity says."""
    run.meter.work(1)
    if name not in _TAKE_CALLABLES:
        run.refuse_callables(value, *operands)
    if operands:
        return _WITH_OPERAND[name](value, operands[0])
    return _PLAIN[name](value)
