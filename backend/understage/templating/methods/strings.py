"""Methods of strings. Positions count UTF-16 code units."""

import math
from collections.abc import Callable

from understage.templating.methods import patterns
from understage.templating.methods.method import Method, argument, clamp, integer, position
from understage.templating.scope import Run
from understage.templating.text import WHITESPACE, join_units, merge_units, units
from understage.templating.values import UNDEFINED, Regex, Value, text_of, to_integer, to_number, to_string

_UINT32 = 2**32


def _method(least: int, most: float, function: Callable[[Run, str, list[Value]], Value]) -> Method:
    return Method(lambda run, receiver, arguments: function(run, text_of(receiver), arguments), least, most)


def _char_at(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled, index = units(text), integer(argument(arguments, 0), 0)
    return spelled[int(index)] if 0 <= index < len(spelled) else ""


def _char_code_at(run: Run, text: str, arguments: list[Value]) -> Value:
    found = _char_at(run, text, arguments)
    return ord(found) if found else math.nan


def _concat(run: Run, text: str, arguments: list[Value]) -> Value:
    parts = [text, *(to_string(value) for value in arguments)]
    run.meter.grow(sum(map(len, parts)))
    return join_units(parts)


def _includes(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    return spelled.find(units(to_string(arguments[0])), clamp(integer(argument(arguments, 1), 0), len(spelled))) >= 0


def _starts_with(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    return spelled.startswith(units(to_string(arguments[0])), clamp(integer(argument(arguments, 1), 0), len(spelled)))


def _ends_with(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    end = clamp(integer(argument(arguments, 1), len(spelled)), len(spelled))
    return spelled[:end].endswith(units(to_string(arguments[0])))


def _index_of(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    return spelled.find(units(to_string(arguments[0])), clamp(integer(argument(arguments, 1), 0), len(spelled)))


def _last_index_of(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled, needle, given = units(text), units(to_string(arguments[0])), argument(arguments, 1)
    number = math.nan if given is UNDEFINED else to_number(given)
    start = math.inf if number != number else to_integer(number)
    return spelled.rfind(needle, 0, clamp(start, len(spelled)) + len(needle))


def _slice(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    start = position(integer(argument(arguments, 0), 0), len(spelled))
    return merge_units(spelled[start : position(integer(argument(arguments, 1), len(spelled)), len(spelled))])


def _substring(run: Run, text: str, arguments: list[Value]) -> Value:
    spelled = units(text)
    start = clamp(integer(argument(arguments, 0), 0), len(spelled))
    end = clamp(integer(argument(arguments, 1), len(spelled)), len(spelled))
    return merge_units(spelled[min(start, end) : max(start, end)])


def _replace(run: Run, text: str, arguments: list[Value]) -> Value:
    """The first occurrence of a string, or what a pattern matches."""
    replacement = to_string(arguments[1])
    if isinstance(arguments[0], Regex):
        return patterns.replace(run, text, arguments[0], replacement)
    needle = to_string(arguments[0])
    start = text.find(needle)
    if start < 0:
        return text
    inserted = patterns.expand(replacement, text, start, needle, [], {})
    return join_units((text[:start], inserted, text[start + len(needle) :]))


def _split(run: Run, text: str, arguments: list[Value]) -> Value:
    separator, given = argument(arguments, 0), argument(arguments, 1)
    number = to_integer(given) if given is not UNDEFINED else _UINT32 - 1
    limit = int(number) % _UINT32 if math.isfinite(number) else 0
    if isinstance(separator, Regex):
        return patterns.split(run, text, separator, limit)
    if separator is UNDEFINED:
        return [text] if limit else []
    return split_text(run, text, to_string(separator))[:limit]


def split_text(run: Run, text: str, separator: str) -> list[Value]:
    """text.split(separator); an empty separator splits into code units."""
    if separator == "":
        spelled = units(text)
        run.meter.list_of(len(spelled))
        return list(spelled)
    run.meter.list_of(text.count(separator))
    return list[Value](text.split(separator))


METHODS = {
    "charAt": _method(0, 1, _char_at),
    "charCodeAt": _method(0, 1, _char_code_at),
    "concat": _method(0, math.inf, _concat),
    "endsWith": _method(1, 2, _ends_with),
    "includes": _method(1, 2, _includes),
    "indexOf": _method(1, 2, _index_of),
    "lastIndexOf": _method(1, 2, _last_index_of),
    "replace": _method(2, 2, _replace),
    "slice": _method(0, 2, _slice),
    "split": _method(0, 2, _split),
    "startsWith": _method(1, 2, _starts_with),
    "substring": _method(0, 2, _substring),
    "toLowerCase": _method(0, 0, lambda run, text, arguments: text.lower()),
    "toUpperCase": _method(0, 0, lambda run, text, arguments: text.upper()),
    "trim": _method(0, 0, lambda run, text, arguments: text.strip(WHITESPACE)),
    "trimEnd": _method(0, 0, lambda run, text, arguments: text.rstrip(WHITESPACE)),
    "trimStart": _method(0, 0, lambda run, text, arguments: text.lstrip(WHITESPACE)),
}
