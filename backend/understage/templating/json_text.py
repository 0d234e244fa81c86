"""JSON.stringify, for the filter `dump`."""

import json
import math

from understage.templating.errors import Fault
from understage.templating.limits import Meter
from understage.templating.numbers import number_text
from understage.templating.text import replace_lone_surrogates
from understage.templating.values import (
    UNDEFINED,
    Invocable,
    Regex,
    SafeString,
    Value,
    admit,
    is_number,
    record_items,
    to_integer,
)


def json_text(value: Value, indentation: Value, meter: Meter) -> Value:
    """`value` as JSON text, UNDEFINED when it is undefined. `indentation` is a number of spaces or a text, 10 at most."""
    if isinstance(indentation, str):
        gap = indentation[:10]
    else:
        gap = " " * int(max(0, min(10, to_integer(indentation)))) if is_number(indentation) else ""
    text = _write(value, gap, "\n", meter)
    return UNDEFINED if text is None else text


def _write(value: Value, gap: str, line: str, meter: Meter) -> str | None:
    if isinstance(value, SafeString):
        value = value.text
    if isinstance(value, str):
        meter.grow(len(value))
        return json.dumps(replace_lone_surrogates(value), ensure_ascii=False)
    if value is None:
        return "null"
    if value is UNDEFINED:
        return None
    if value is True or value is False:
        return "true" if value else "false"
    if is_number(value):
        return number_text(admit(value)) if math.isfinite(admit(value)) else "null"
    if isinstance(value, Regex):
        return "{}"
    if isinstance(value, list | dict):
        return _write_container(value, gap, line, meter)
    if isinstance(value, Invocable):
        raise Fault("Callable values cannot be serialized")
    raise Fault(f"A value of type {type(value).__name__} is not a template value")


def _write_container(value: list[Value] | dict[str, Value], gap: str, line: str, meter: Meter) -> str:
    meter.work(1 + len(value))
    inner = line + gap
    meter.grow(len(value) * (len(inner) + 4))
    if isinstance(value, list):
        opening, closing = "[", "]"
        parts = [_write(item, gap, inner, meter) or "null" for item in value]
    else:
        opening, closing = "{", "}"
        colon = ": " if gap else ":"
        parts = []
        for key, item in record_items(value):
            text = _write(item, gap, inner, meter)
            if text is not None:
                parts.append(json.dumps(replace_lone_surrogates(key), ensure_ascii=False) + colon + text)
    if not parts:
        return opening + closing
    if not gap:
        return opening + ",".join(parts) + closing
    return opening + inner + ("," + inner).join(parts) + line + closing
