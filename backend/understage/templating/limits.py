"""How much one render may use, and the meter that counts it.

A template and the values it sees come from outside. Bounds are charged where work multiplies: at every iteration, call,
filter and growing string, not at every node, whose number the size of the source already bounds.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass

from understage.templating.errors import Fault

_CLOCK_INTERVAL = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one render of one template string. Sizes are in UTF-16 code units or entries."""

    source: int = 4 * 1024 * 1024
    nodes: int = 1_000_000
    steps: int = 1_000_000
    nesting: int = 512
    output: int = 16 * 1024 * 1024
    memory: int = 64 * 1024 * 1024
    """Bytes of all intermediate values that one render makes, freed ones included."""
    entries: int = 100_000
    """Elements of one list or members of one object made by a template."""
    calls: int = 4096
    """Invocations of filters and functions given by the caller."""
    seconds: float = 10.0
    regex_seconds: float = 1.0
    """Time of one regular-expression operation."""


DEFAULT_LIMITS = Limits()


class Meter:
    """Counts what one render uses and raises a Fault at the bound."""

    __slots__ = ("_calls", "_deadline", "_next_look", "_output", "_used", "depth", "limits", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = 0
        self.depth = 0
        self._used = 0
        self._output = 0
        self._calls = 0
        self._deadline = time.monotonic() + limits.seconds
        self._next_look = _CLOCK_INTERVAL

    def work(self, steps: int) -> None:
        """Charge `steps` units of work; look at the clock now and then."""
        self.steps += steps
        if self.steps > self._next_look:
            self._next_look = self.steps + _CLOCK_INTERVAL
            if self.steps > self.limits.steps:
                raise _exceeded("steps", self.limits.steps)
            if time.monotonic() > self._deadline:
                raise _exceeded("seconds", self.limits.seconds)

    def grow(self, size: int) -> None:
        """Charge `size` bytes of a value about to be made, and the work of making it."""
        self._used += size
        if self._used > self.limits.memory:
            raise _exceeded("memory", self.limits.memory)
        if size > 256:
            self.work(size >> 8)

    def list_of(self, length: int) -> None:
        """Charge a list or object of `length` entries about to be made."""
        if length > self.limits.entries:
            raise _exceeded("entries", self.limits.entries)
        self.grow(32 * length)
        self.work(length)

    def emit(self, size: int) -> None:
        """Charge `size` units of rendered text."""
        self._output += size
        if self._output > self.limits.output:
            raise _exceeded("output", self.limits.output)

    def call(self) -> None:
        """Charge one call of a filter or function given by the caller."""
        self._calls += 1
        self.work(1)
        if self._calls > self.limits.calls:
            raise _exceeded("calls", self.limits.calls)

    def regex_time(self) -> float:
        """Seconds that one regular-expression operation may take now."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _exceeded("seconds", self.limits.seconds)
        return min(left, self.limits.regex_seconds)


ACTIVE: ContextVar["Meter | None"] = ContextVar("template meter", default=None)
"""The meter of the render that runs now, for the conversions of `values`, which know no render."""


def charge(steps: int) -> None:
    """Charge the render that runs now, if one does."""
    meter = ACTIVE.get()
    if meter is not None:
        meter.work(steps)


def _exceeded(limit: str, bound: float) -> Fault:
    return Fault(f"The template exceeded its limit of {limit} ({bound:g})", limit=limit)
