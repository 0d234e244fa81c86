"""JavaScript values in Python clothes, and the conversions between them.

    undefined  UNDEFINED          number  int (within ±2**53) or float     array   list
    null       None               string  str, or SafeString (Nunjucks)    object    dict with str keys
    boolean    bool               regex   Regex                            function  Invocable

Nothing else is a value: whatever else a caller hands in raises a Fault as soon as a template touches it. The functions follow
ECMA-262 (ToPrimitive, ToNumber, ToString, abstract equality, addition, relational comparison) with two deviations of nunjitsu:
the concatenation of lists prints nested nulls as nothing, and callables cannot be converted.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

from understage.templating.errors import Fault
from understage.templating.limits import charge
from understage.templating.numbers import number_text, parse_number
from understage.templating.text import compare_units, join_units

Value = Any
"""One of the values above; the evaluator is dynamically typed, as its language is."""

NAN: Final = math.nan
SAFE_INTEGER: Final = 2**53
RESERVED: Final = frozenset({"constructor", "prototype", "__proto__"})
"""Names that are errors as properties and unknown as keys: the ways into prototypes in JavaScript."""


class Undefined:
    """The type of UNDEFINED, the only instance."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False

    def __copy__(self) -> "Undefined":
        return self

    def __deepcopy__(self, memo: object) -> "Undefined":
        return self


UNDEFINED: Final = Undefined()


class SafeString:
    """A string object as Nunjucks makes it for macros and `| safe`: always truthy, never `===` to a string."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Regex:
    """A regular-expression literal. `last_index` is the state of the flags `g` and `y`."""

    __slots__ = ("flags", "last_index", "source")

    def __init__(self, source: str, flags: str) -> None:
        self.source = source
        self.flags = flags
        self.last_index = 0

    def __str__(self) -> str:
        source = self.source or "(?:)"
        for raw, shown in (("\n", "\\n"), ("\r", "\\r"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
            source = source.replace(raw, shown)
        return f"/{source}/{''.join(flag for flag in 'gimy' if flag in self.flags)}"


class Invocable:
    """Something a template can call; subclasses stand in `calls`. Never converted, never given to the caller."""

    __slots__ = ()


class _Missing:
    __slots__ = ()


MISSING: Final = _Missing()
"""What a look-up answers when there is no such member, as opposed to a member that is undefined."""


def admit(value: Value) -> Value:
    """A value read from the caller's data: numbers beyond 2**53 lose their precision, as in JavaScript."""
    if type(value) is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return as_double(value)
    return value


def as_double(value: float) -> float:
    """`value` as IEEE double, infinite where it does not fit."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_number(value: Value) -> bool:
    """Whether `value` is a number (a boolean is not)."""
    return type(value) is int or type(value) is float


def is_text(value: Value) -> bool:
    """Whether `value` is a string or a safe string."""
    return isinstance(value, str | SafeString)


def text_of(value: Value) -> str:
    """The text of a string or safe string; a Fault for all else."""
    if isinstance(value, str):
        return value
    if type(value) is SafeString:
        return value.text
    raise Fault("Filter input must be a string")


def truthy(value: Value) -> bool:
    """JavaScript truthiness: empty text, 0, NaN, null, undefined and false are false; lists and objects are true."""
    if isinstance(value, str):
        return value != ""
    if value is None or value is UNDEFINED or value is False:
        return False
    if type(value) is int or type(value) is float:
        return value != 0 and value == value  # NaN differs from itself
    return True


def is_index(name: str) -> bool:
    """Whether `name` is a canonical array index: such keys come first in an object, in numeric order."""
    return name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) <= 10


def record_items(record: dict[str, Value]) -> Iterable[tuple[str, Value]]:
    """Members of an object in JavaScript's order, without undefined keys; reserved names are not members."""
    if not any(key[:1].isdigit() for key in record) and RESERVED.isdisjoint(record):
        return [(key, admit(value)) for key, value in record.items()]
    items = [(key, admit(value)) for key, value in record.items() if key not in RESERVED]
    indexed = sorted((item for item in items if is_index(item[0])), key=lambda item: int(item[0]))
    return indexed + [item for item in items if not is_index(item[0])]


def holds_callable(value: Value) -> bool:
    """Whether `value` is a callable or contains one."""
    pending, seen = [value], set()
    while pending:
        item = pending.pop()
        if isinstance(item, Invocable):
            return True
        if isinstance(item, list | dict) and id(item) not in seen:
            seen.add(id(item))
            charge(len(item))
            members = item if isinstance(item, list) else item.values()
            pending.extend(member for member in members if type(member) not in _PLAIN)
    return False


_PLAIN = frozenset({str, int, float, bool, type(None), Undefined})


def to_primitive(value: Value) -> Value:
    """`value` as undefined, null, boolean, number or string."""
    if isinstance(value, str) or value is None or type(value) in (int, float, bool, Undefined):
        return value
    if type(value) is SafeString:
        return value.text
    if isinstance(value, list):
        charge(len(value))
        return join_units(("" if item is None or item is UNDEFINED else to_string(admit(item)) for item in value), ",")
    if isinstance(value, dict):
        if holds_callable(value):
            raise Fault("Callable values cannot be coerced")
        return "[object Object]"
    if type(value) is Regex:
        return str(value)
    if isinstance(value, Invocable):
        raise Fault("Invocable values cannot be coerced")
    raise Fault(f"A value of type {type(value).__name__} is not a template value")


def to_string(value: Value) -> str:
    """`value` as String(value) shows it: undefined is `undefined`."""
    if isinstance(value, str):
        return value
    return primitive_text(to_primitive(value))


def primitive_text(value: Value) -> str:
    """A primitive as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if value is True:
        return "true"
    if value is False:
        return "false"
    return number_text(value)


def render(value: Value) -> str:
    """`value` as a template prints it: null and undefined print nothing."""
    if isinstance(value, str):
        return value
    if value is None or value is UNDEFINED:
        return ""
    return primitive_text(to_primitive(value))


def to_number(value: Value) -> float:
    """`value` as Number(value) makes it; NaN where it is none."""
    if type(value) is int or type(value) is float:
        return value
    primitive = to_primitive(value)
    if primitive is UNDEFINED:
        return NAN
    if primitive is None or primitive is False:
        return 0
    if primitive is True:
        return 1
    return parse_number(primitive) if isinstance(primitive, str) else primitive


def to_integer(value: Value) -> float:
    """`value` truncated to an int, or ±Infinity; NaN is 0."""
    number = to_number(value)
    if number != number:
        return 0
    return int(number) if math.isfinite(number) else number


def strict_equal(left: Value, right: Value) -> bool:
    """`===`: primitives by value, lists, objects and the rest by identity."""
    if isinstance(left, str):
        return isinstance(right, str) and str.__eq__(left, right) is True
    if is_number(left):
        return is_number(right) and left == right
    return left is right


def same_value_zero(left: Value, right: Value) -> bool:
    """`===` where NaN equals itself."""
    return strict_equal(left, right) or (left != left and right != right and is_number(left) and is_number(right))


def loose_equal(left: Value, right: Value) -> bool:
    """`==` with JavaScript's coercions."""
    if strict_equal(left, right):
        return True
    if not _is_primitive(left) and not _is_primitive(right):
        return False
    return _primitive_equal(to_primitive(left), to_primitive(right))


def order(left: Value, right: Value) -> float:
    """-1, 0 or 1 as left is less, equal or greater; NaN when they do not compare."""
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return compare_units(left, right)
    first, second = to_number(left), to_number(right)
    if first < second:
        return -1
    if first > second:
        return 1
    return 0 if first == second else NAN


def kind_of(value: Value) -> str:
    """The kind of a value, for messages."""
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "unknown value"


_KINDS: tuple[tuple[type, str], ...] = (
    (Undefined, "undefined"),
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (list, "array"),
    (dict, "record"),
    (SafeString, "safe string"),
    (Regex, "regular expression"),
    (Invocable, "callable"),
)


def _is_primitive(value: Value) -> bool:
    return isinstance(value, str) or value is None or type(value) in (int, float, bool, Undefined)


def _primitive_equal(left: Value, right: Value) -> bool:
    if strict_equal(left, right):
        return True
    nullish = (None, UNDEFINED)
    if left is None or left is UNDEFINED or right is None or right is UNDEFINED:
        return any(left is item for item in nullish) and any(right is item for item in nullish)
    if isinstance(left, str) and isinstance(right, str):
        return False
    return bool(to_number(left) == to_number(right))
