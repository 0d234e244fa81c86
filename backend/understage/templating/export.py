"""Values on their way out of a template, to filters of the caller or as the result of a render: plain JSON, detached."""

import math

from understage.templating.errors import Fault
from understage.templating.limits import Meter
from understage.templating.numbers import simplify
from understage.templating.text import replace_lone_surrogates
from understage.templating.values import RESERVED, UNDEFINED, Invocable, Regex, SafeString, Value, admit, record_items


def to_json(value: Value, meter: Meter) -> Value:
    """A copy of `value` for use outside.

    Undefined members of objects are left out, undefined elements of lists become None; a string of a subclass of str stays what
    it is; NaN and the infinities stay floats, which orjson writes as null. Undefined itself is the caller's business.
    """
    if isinstance(value, str):
        meter.emit(len(value))
        return replace_lone_surrogates(value)
    if value is None or value is True or value is False:
        return value
    if value is UNDEFINED:
        return None
    if type(value) is int or type(value) is float:
        number = admit(value)
        return 0 if number == 0 else simplify(number) if math.isfinite(number) else number
    if type(value) is SafeString:
        return to_json(value.text, meter)
    if isinstance(value, list):
        meter.work(1 + len(value))
        return [to_json(item, meter) for item in value]
    if isinstance(value, dict):
        meter.work(1 + len(value))
        return {key: to_json(item, meter) for key, item in record_items(value) if item is not UNDEFINED}
    if type(value) is Regex:
        return str(value)
    if isinstance(value, Invocable):
        raise Fault("Callable values cannot cross the capability boundary")
    raise Fault(f"A value of type {type(value).__name__} is not a template value")


def clone(value: Value, copies: dict[int, Value]) -> Value:
    """A deep copy of lists and objects, for a template that may change them; `copies` keeps shared parts shared."""
    if not isinstance(value, list | dict):
        return value
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, list):
        items: list[Value] = []
        copies[id(value)] = items
        items.extend(clone(item, copies) for item in value)
        return items
    members: dict[str, Value] = {}
    copies[id(value)] = members
    members.update((key, clone(item, copies)) for key, item in value.items() if key not in RESERVED)
    return members
