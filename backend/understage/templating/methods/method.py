"""What a method is, and how methods read their arguments."""

import math
from collections.abc import Callable
from typing import NamedTuple

from understage.templating.scope import Run
from understage.templating.values import UNDEFINED, Value, to_integer


class Method(NamedTuple):
    """A method and how many arguments it takes."""

    function: Callable[[Run, Value, list[Value]], Value]
    least: int = 0
    most: float = math.inf


def argument(arguments: list[Value], index: int) -> Value:
    """The argument at `index`, undefined when it was not given."""
    return arguments[index] if index < len(arguments) else UNDEFINED


def integer(value: Value, default: float) -> float:
    """An optional integer argument."""
    return default if value is UNDEFINED else to_integer(value)


def position(value: float, length: int) -> int:
    """A relative position as JavaScript's slice counts it: negative from the end, clamped to 0…length."""
    return int(max(length + value, 0)) if value < 0 else int(min(value, length))


def clamp(value: float, length: int) -> int:
    """A position clamped to 0…length."""
    return int(min(max(value, 0), length))
