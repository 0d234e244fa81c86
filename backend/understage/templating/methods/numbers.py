"""Methods of numbers."""

from collections.abc import Callable

from understage.templating.methods.method import Method
from understage.templating.numbers import number_text, to_exponential, to_fixed, to_precision, to_radix
from understage.templating.scope import Run
from understage.templating.values import UNDEFINED, Value, to_number


def _formatted(write: Callable[[float, float | None], str]) -> Method:
    def function(run: Run, receiver: Value, arguments: list[Value]) -> Value:
        given = arguments[0] if arguments else UNDEFINED
        return write(receiver, None if given is UNDEFINED else to_number(given))

    return Method(function, 0, 1)


METHODS = {
    "toFixed": _formatted(lambda value, digits: to_fixed(value, digits or 0)),
    "toExponential": _formatted(to_exponential),
    "toPrecision": _formatted(to_precision),
    "toString": _formatted(lambda value, base: number_text(value) if base is None else to_radix(value, base)),
}
