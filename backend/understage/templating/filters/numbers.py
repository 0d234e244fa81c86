"""Filters that make numbers: abs, float, int, round."""

import math

from understage.templating.methods.method import argument
from understage.templating.numbers import divide, multiply, parse_float, parse_int, power, round_half_up, simplify
from understage.templating.scope import Run
from understage.templating.values import UNDEFINED, Value, strict_equal, to_number, to_string, truthy


def _abs(run: Run, value: Value, arguments: list[Value]) -> Value:
    return abs(to_number(value))


def _float(run: Run, value: Value, arguments: list[Value]) -> Value:
    parsed = parse_float(to_string(value))
    return argument(arguments, 0) if parsed != parsed else parsed


def _int(run: Run, value: Value, arguments: list[Value]) -> Value:
    """parseInt with the default and base of Jinja."""
    given = argument(arguments, 1)
    base = 10.0 if given is UNDEFINED else to_number(given)
    whole = int(base) % 2**32 if math.isfinite(base) else 0  # parseInt takes its base as an int32
    parsed = parse_int(to_string(value), whole)
    return argument(arguments, 0) if parsed != parsed else parsed


def _round(run: Run, value: Value, arguments: list[Value]) -> Value:
    precision, method = argument(arguments, 0), argument(arguments, 1)
    factor = power(10, to_number(precision) if truthy(precision) else 0)
    scaled = multiply(to_number(value), factor)
    if not math.isfinite(scaled):
        rounded = scaled
    elif strict_equal(method, "ceil"):
        rounded = simplify(math.ceil(scaled))
    elif strict_equal(method, "floor"):
        rounded = simplify(math.floor(scaled))
    else:
        rounded = round_half_up(scaled)
    return divide(rounded, factor)


FILTERS = {"abs": _abs, "float": _float, "int": _int, "round": _round}
