"""Filters on text."""

import math
import re
from urllib.parse import quote

from understage.templating.errors import Fault
from understage.templating.filters.inputs import direct_length, like, text_or_empty
from understage.templating.members import own_member
from understage.templating.methods import patterns
from understage.templating.methods.method import argument, clamp
from understage.templating.scope import Run
from understage.templating.text import join_units, merge_units, trim, units
from understage.templating.values import (
    MISSING,
    UNDEFINED,
    Regex,
    SafeString,
    Value,
    is_number,
    order,
    record_items,
    render,
    text_of,
    to_integer,
    to_number,
    to_string,
    truthy,
)

_WORD = re.compile(r"[A-Za-z0-9_]+")


def _capitalize(run: Run, value: Value, arguments: list[Value]) -> Value:
    return like(value, _capital(text_of(text_or_empty(value)).lower()))


def _title(run: Run, value: Value, arguments: list[Value]) -> Value:
    words = text_of(text_or_empty(value)).split(" ")
    return like(value, " ".join(_capital(word.lower()) for word in words))


def _capital(text: str) -> str:
    return text[:1] + text[1:] if text[:1] > "\uffff" else text[:1].upper() + text[1:]


def _center(run: Run, value: Value, arguments: list[Value]) -> Value:
    value = text_or_empty(value)
    width = arguments[0] if truthy(argument(arguments, 0)) else 80
    length = direct_length(value)
    if order(length, width) >= 0:
        return value
    spaces = to_number(width) - to_number(length)
    before = spaces_of(run, spaces / 2 - math.fmod(spaces, 2) if math.isfinite(spaces) else spaces)
    return like(value, before + to_string(value) + spaces_of(run, spaces / 2))


def _indent(run: Run, value: Value, arguments: list[Value]) -> Value:
    value = text_or_empty(value)
    text = text_of(value)
    if isinstance(value, str) and not value:
        return ""
    width = arguments[0] if truthy(argument(arguments, 0)) else 4
    spaces = spaces_of(run, to_number(width))
    run.meter.grow(len(spaces) * (text.count("\n") + 1))
    indented = text.replace("\n", "\n" + spaces)
    return like(value, (spaces if truthy(argument(arguments, 1)) else "") + indented)


def spaces_of(run: Run, count: float) -> str:
    """So many spaces; a part of one counts as one."""
    if not count > 0:
        return ""
    if not math.isfinite(count) or count > 16 * 1024 * 1024:
        raise Fault("Filter spacing exceeds the supported bound")
    run.meter.grow(math.ceil(count))
    return " " * math.ceil(count)


def _replace(run: Run, value: Value, arguments: list[Value]) -> Value:
    """All occurrences, or as many as the third argument says; a pattern replaces what it matches."""
    search, replacement = argument(arguments, 0), argument(arguments, 1)
    most = -1 if argument(arguments, 2) is UNDEFINED else arguments[2]
    if isinstance(search, Regex):
        if not isinstance(value, str | SafeString):
            raise Fault("Regular-expression replacement requires a string")
        once = Regex(search.source, search.flags)
        return patterns.replace(run, text_of(value), once, to_string(replacement))
    if not isinstance(search, str) and not is_number(search):
        return value
    subject = to_string(value) if is_number(value) else value
    if not isinstance(subject, str | SafeString):
        return subject
    text, needle, inserted = text_of(subject), to_string(search), to_string(replacement)
    if not needle:
        separator = "," if replacement is UNDEFINED else inserted
        spelled = units(text)
        run.meter.grow(len(spelled) * (1 + len(separator)))
        return like(subject, join_units((inserted, separator.join(spelled), inserted)))
    found = text.count(needle)
    if (is_number(most) and most == 0) or not found:
        return subject
    if not (is_number(most) and most == -1):
        count = to_number(most)
        found = 0 if not count > 0 else found if math.isinf(count) else min(found, math.ceil(count))
    run.meter.grow(len(text) + found * len(inserted))
    return like(value, merge_units(text.replace(needle, inserted, found)))


def _truncate(run: Run, value: Value, arguments: list[Value]) -> Value:
    value = text_or_empty(value)
    given = arguments[0] if truthy(argument(arguments, 0)) else 255
    if order(direct_length(value), given) <= 0:
        return value
    spelled = units(text_of(value))
    number = to_number(given)
    end = clamp(to_integer(number), len(spelled))
    if not truthy(argument(arguments, 1)):
        last = len(spelled) if number != number else end
        space = spelled.rfind(" ", 0, last + 1)
        end = space if space >= 0 else end
    ending = argument(arguments, 2)
    shown = "..." if ending is UNDEFINED or ending is None else to_string(ending)
    return like(value, join_units((spelled[:end], shown)))


def _string(run: Run, value: Value, arguments: list[Value]) -> Value:
    if value is None or value is UNDEFINED:
        raise Fault("string requires a value")
    return value if isinstance(value, SafeString) else render(value)


def _wordcount(run: Run, value: Value, arguments: list[Value]) -> Value:
    value = text_or_empty(value)
    return len(_WORD.findall(text_of(value))) or None if truthy(value) else None


def encode_component(text: str) -> str:
    """encodeURIComponent."""
    try:
        return quote(text, safe="-_.!~*'()")
    except UnicodeEncodeError as error:
        raise Fault("URI malformed") from error


def _urlencode(run: Run, value: Value, arguments: list[Value]) -> Value:
    if isinstance(value, str | SafeString):
        run.meter.grow(3 * len(text_of(value)))
        return encode_component(text_of(value))
    pairs: list[tuple[Value, Value]] = []
    if isinstance(value, dict):
        pairs = list(record_items(value))
    elif isinstance(value, list):
        pairs = [_pair(item) for item in value]
    run.meter.list_of(len(pairs))
    return "&".join(f"{encode_component(to_string(key))}={encode_component(to_string(item))}" for key, item in pairs)


def _pair(value: Value) -> tuple[Value, Value]:
    if value is None or value is UNDEFINED:
        raise Fault("urlencode sequence entries cannot be nullish")
    first, second = own_member(value, "0"), own_member(value, "1")
    return (UNDEFINED if first is MISSING else first), (UNDEFINED if second is MISSING else second)


FILTERS = {
    "capitalize": _capitalize,
    "center": _center,
    "indent": _indent,
    "lower": lambda run, value, arguments: text_of(text_or_empty(value)).lower(),
    "replace": _replace,
    "string": _string,
    "title": _title,
    "trim": lambda run, value, arguments: like(value, trim(text_of(value))),
    "truncate": _truncate,
    "upper": lambda run, value, arguments: text_of(text_or_empty(value)).upper(),
    "urlencode": _urlencode,
    "wordcount": _wordcount,
}
