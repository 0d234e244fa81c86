"""What a template can call: macros, methods, functions of the caller, and range, cycler, joiner.

Each is an Invocable: an identity that the evaluator knows how to invoke, with no Python function a template could reach.
"""

import math
from collections.abc import Callable
from typing import Any

from understage.templating.errors import Fault
from understage.templating.export import to_json
from understage.templating.limits import Meter
from understage.templating.methods import Method
from understage.templating.operators import add
from understage.templating.scope import Run
from understage.templating.values import MISSING, UNDEFINED, Invocable, Value, order, truthy

Keywords = dict[str, Value]


class BuiltIn(Invocable):
    """A callable of the language: positional arguments only, their number checked before any is evaluated."""

    __slots__ = ()

    name = ""
    least = 0
    most: float = math.inf

    def check(self, positional: int, keyword: int) -> None:
        """Raise a Fault when a call with so many arguments is not allowed."""
        if keyword:
            raise Fault(f"{self.name} does not accept keyword arguments")
        if not self.least <= positional <= self.most:
            wanted = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most:g}"
            raise Fault(f"{self.name} requires {wanted} positional arguments")

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """The value of the call."""
        raise Fault("Interpreter builtin object is not directly callable")

    def member(self, key: str) -> Value:
        """A property; all but a cycler have none."""
        return UNDEFINED


class BoundMethod(BuiltIn):
    """A method of a string, number, list, object or regular expression, with its receiver."""

    __slots__ = ("least", "method", "most", "name", "receiver")

    def __init__(self, name: str, method: Method, receiver: Value) -> None:
        self.name = f"Template intrinsic {name}"
        self.method = method
        self.receiver = receiver
        self.least, self.most = method.least, method.most

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """Call the method."""
        run.refuse_callables(self.receiver)
        run.meter.work(1)
        result = self.method.function(run, self.receiver, arguments)
        charge_result(run.meter, result)
        return result


class Range(BuiltIn):
    """range(stop), range(start, stop), range(start, stop, step)."""

    __slots__ = ()
    name = "Built-in global range"
    most = 3

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """The numbers as a list; counting and comparing as JavaScript does."""
        start, stop, step = (*arguments, UNDEFINED, UNDEFINED, UNDEFINED)[:3]
        if stop is UNDEFINED:
            start, stop, step = 0, start, 1
        elif not truthy(step):
            step = 1
        ahead = 1 if order(step, 0) > 0 else -1
        result: list[Value] = []
        while order(start, stop) * ahead < 0:
            run.meter.list_of(1)
            result.append(start)
            if len(result) > run.meter.limits.entries:
                run.meter.list_of(len(result))
            start = add(run, start, step)
        return result


class Cycler(BuiltIn):
    """What cycler(…) makes: `next()` walks through the values, `current` is the last one given."""

    __slots__ = ("index", "values")

    def __init__(self, values: list[Value]) -> None:
        self.values = values
        self.index = -1

    def member(self, key: str) -> Value:
        """current, next or reset."""
        if key == "current":
            return None if self.index < 0 else self.at_index()
        return CyclerMethod(self, key) if key in ("next", "reset") else UNDEFINED

    def at_index(self) -> Value:
        """The value at the present position."""
        return self.values[self.index] if self.index < len(self.values) else UNDEFINED


class CyclerMethod(BuiltIn):
    """next() or reset() of a cycler."""

    __slots__ = ("cycler", "name")
    most = 0

    def __init__(self, cycler: Cycler, name: str) -> None:
        self.cycler = cycler
        self.name = name

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """Move on, or back to the beginning."""
        if self.name == "reset":
            self.cycler.index = -1
            return UNDEFINED
        self.cycler.index = (self.cycler.index + 1) % max(1, len(self.cycler.values))
        return self.cycler.at_index()


class CyclerFactory(BuiltIn):
    """cycler(…)."""

    __slots__ = ()
    name = "Built-in global cycler"

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """A cycler over the arguments."""
        return Cycler(arguments)


class Joiner(BuiltIn):
    """What joiner(…) makes: nothing at the first call, the separator at every other."""

    __slots__ = ("separator", "used")
    name = "Joiner instance"
    most = 0

    def __init__(self, separator: Value) -> None:
        self.separator = separator
        self.used = False

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """Nothing, or the separator."""
        if not self.used:
            self.used = True
            return ""
        return self.separator


class JoinerFactory(BuiltIn):
    """joiner(separator)."""

    __slots__ = ()
    name = "Built-in global joiner"
    most = 1

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """A joiner; the separator is a comma unless given."""
        return Joiner(arguments[0] if arguments and truthy(arguments[0]) else ",")


class HostFunction(BuiltIn):
    """A function that the caller registered with the Environment."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    def invoke(self, run: Run, arguments: list[Value]) -> Value:
        """Call it with plain JSON values (UNDEFINED for undefined)."""
        return call_host(run, f'global "{self.name}"', self.function, arguments)


GLOBALS: dict[str, BuiltIn] = {"range": Range(), "cycler": CyclerFactory(), "joiner": JoinerFactory()}


def call_host(run: Run, description: str, function: Callable[..., Any], arguments: list[Value]) -> Value:
    """The result of a function or filter of the caller; what it raises becomes a Fault with its message."""
    run.meter.call()
    plain = [UNDEFINED if argument is UNDEFINED else to_json(argument, run.meter) for argument in arguments]
    try:
        result = function(*plain)
    except Exception as error:  # the caller's code may raise anything; the template's author gets to know what
        detail = f": {error}" if str(error) else ""
        raise Fault(f"Template {description} failed{detail}") from error
    return result


def find_global(run: Run, name: str) -> Value:
    """What a name means that no scope binds."""
    if run.compatible and name in _PYTHON_CONSTANTS:
        return _PYTHON_CONSTANTS[name]
    value = run.values.get(name, MISSING)
    if value is not MISSING:
        return value
    if name in run.functions:
        return HostFunction(name, run.functions[name])
    return GLOBALS.get(name, UNDEFINED)


_PYTHON_CONSTANTS = {"True": True, "False": False, "None": None}


def charge_result(meter: Meter, result: Value) -> None:
    """Charge what a filter or method has made."""
    if isinstance(result, str):
        if len(result) > 64:
            meter.grow(len(result))
    elif type(result) is list:
        meter.list_of(len(result))
