"""What a running template reads and binds: names, slots and the render they belong to.

Nunjucks compiles some names to JavaScript variables (loop targets, macros, positional parameters) and keeps the others in frames
it searches at run time; what a template sees after `set`, in macros and in callers depends on which is which. So there are both
here: a `Frame` holds the slots that `compiling` has assigned, a `Scope` holds names.
"""

from collections.abc import Mapping
from typing import Any

from understage.templating.errors import Fault
from understage.templating.limits import Limits, Meter
from understage.templating.values import MISSING, UNDEFINED, Invocable, Value, holds_callable


class Scope:
    """Names on top of those of `parent`. Writes to an isolated scope stay in it."""

    __slots__ = ("isolated", "names", "parent")

    def __init__(self, names: dict[str, Value], parent: "Scope | None" = None, *, isolated: bool = False) -> None:
        self.names = names
        self.parent = parent
        self.isolated = isolated

    def child(self, *, isolated: bool = False) -> "Scope":
        """A new scope on top of this one."""
        return Scope({}, self, isolated=isolated)

    def get(self, name: str) -> Value:
        """The value of the nearest binding, MISSING without one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return MISSING

    def assign(self, name: str, value: Value) -> None:
        """Replace the nearest binding up to an isolated scope; bind here when there is none."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                scope.names[name] = value
                return
            if scope.isolated:
                break
            scope = scope.parent
        self.names[name] = value


class Frame:
    """The slots of one call of a root, block, macro or caller; a caller's frame stands on that of its call block."""

    __slots__ = ("parent", "slots")

    def __init__(self, size: int, parent: "Frame | None" = None) -> None:
        self.slots: list[Value] = [UNDEFINED] * size
        self.parent = parent


class Run:
    """One render: its limits, and what the caller put at the template's disposal."""

    __slots__ = ("compatible", "filters", "functions", "meter", "nested_callables", "values")

    def __init__(
        self,
        limits: Limits,
        filters: Mapping[str, Any],
        functions: Mapping[str, Any],
        values: Mapping[str, Value],
        *,
        compatible: bool,
    ) -> None:
        self.meter = Meter(limits)
        self.filters = filters
        self.functions = functions
        self.values = values
        self.compatible = compatible  # with cookiecutter: True, False, None, methods of dicts and lists
        self.nested_callables = False  # whether a list or object that contains a callable was ever made

    def refuse_callables(self, *values: Value) -> None:
        """Raise a Fault when a callable is among or inside of `values`: callables are not data."""
        for value in values:
            if isinstance(value, Invocable) or (self.nested_callables and holds_callable(value)):
                raise Fault("Callable values cannot be coerced")


class Env:
    """Where a closure runs: the render, the frame of slots, the scope of names, and the scope that macros see."""

    __slots__ = ("exports", "frame", "run", "scope")

    def __init__(self, run: Run, frame: Frame, scope: Scope, exports: Scope) -> None:
        self.run = run
        self.frame = frame
        self.scope = scope
        self.exports = exports

    def inside(self, scope: Scope) -> "Env":
        """The same place with another scope."""
        return Env(self.run, self.frame, scope, self.exports)
