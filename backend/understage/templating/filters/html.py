"""Filters that know HTML: escape, forceescape, safe, nl2br, striptags, urlize. Nothing is escaped unasked."""

from understage.templating.errors import Fault
from understage.templating.filters.inputs import like, text_or_empty
from understage.templating.methods import patterns
from understage.templating.methods.method import argument
from understage.templating.scope import Run
from understage.templating.text import trim, units
from understage.templating.values import (
    UNDEFINED,
    Regex,
    SafeString,
    Value,
    is_number,
    render,
    text_of,
    to_integer,
    to_number,
    truthy,
)

_ESCAPES = str.maketrans({"&": "&amp;", '"': "&quot;", "'": "&#39;", "<": "&lt;", ">": "&gt;", "\\": "&#92;"})
_TAG = r"<\/?([a-z][a-z0-9]*)\b[^>]*>|<!--[\s\S]*?-->"
_MOST_PASSES = 8
_PUNCTUATION = r"^(?:\(|<|&lt;)?(.*?)(?:\.|,|\)|\n|&gt;)?$"
_EMAIL = r"^[\w.!#$%&'*+\-/=?^`{|}~]+@[a-z\d-]+(?:\.[a-z\d-]+)+$"
_DOMAIN = r"\.(?:org|net|com)(?::|\/|$)"


def _escape(run: Run, value: Value, arguments: list[Value]) -> Value:
    return value if isinstance(value, SafeString) else _force_escape(run, value, arguments)


def _force_escape(run: Run, value: Value, arguments: list[Value]) -> Value:
    text = render(value)
    run.meter.grow(6 * len(text))
    return SafeString(text.translate(_ESCAPES))


def _safe(run: Run, value: Value, arguments: list[Value]) -> Value:
    return value if isinstance(value, SafeString) else SafeString(render(value))


def _nl2br(run: Run, value: Value, arguments: list[Value]) -> Value:
    text = "" if value is None or value is UNDEFINED else text_of(value)
    run.meter.grow(len(text) + 7 * text.count("\n"))
    return like(value, text.replace("\r\n", "\n").replace("\n", "<br />\n"))


def _striptags(run: Run, value: Value, arguments: list[Value]) -> Value:
    text = text_of(text_or_empty(value))
    for _ in range(_MOST_PASSES + 1):
        stripped = patterns.replace(run, text, Regex(_TAG, "gi"), "")
        if stripped == text:
            break
        text = stripped
    else:
        raise Fault("striptags input contains excessively nested markup")
    text = trim(text)
    if not truthy(argument(arguments, 0)):
        return like(value, patterns.replace(run, text, Regex(r"\s+", "g"), " "))
    for pattern, flags, replacement in (
        ("^ +| +$", "gm", ""),
        (" +", "g", " "),
        ("\\r\\n", "g", "\n"),
        ("\\n\\n\\n+", "g", "\n\n"),
    ):
        text = patterns.replace(run, text, Regex(pattern, flags), replacement)
    return like(value, text)


def _urlize(run: Run, value: Value, arguments: list[Value]) -> Value:
    length = _shown_length(argument(arguments, 0))
    nofollow = ' rel="nofollow"' if argument(arguments, 1) is True else ""
    words = patterns.split(run, text_of(value), Regex(r"(\s+)", ""), 2**32 - 1)
    return "".join(_link(run, word, length, nofollow) for word in words)


def _link(run: Run, word: str, length: float, nofollow: str) -> str:
    match = patterns.execute(run, Regex(_PUNCTUATION, ""), units(word))
    possible = match.group(1) if match is not None else word
    shown = possible if length > len(possible) else possible[: int(length)]
    if possible.startswith(("http://", "https://")):
        return f'<a href="{possible}"{nofollow}>{shown}</a>'
    if possible.startswith("www."):
        return f'<a href="http://{possible}"{nofollow}>{shown}</a>'
    if patterns.execute(run, Regex(_EMAIL, "i"), possible):
        return f'<a href="mailto:{possible}">{possible}</a>'
    if patterns.execute(run, Regex(_DOMAIN, ""), possible):
        return f'<a href="http://{possible}"{nofollow}>{shown}</a>'
    return word


def _shown_length(value: Value) -> float:
    if value is UNDEFINED or (is_number(value) and value != value):
        return float("inf")
    return max(0, to_integer(to_number(value)))


FILTERS = {
    "e": _escape,
    "escape": _escape,
    "forceescape": _force_escape,
    "nl2br": _nl2br,
    "safe": _safe,
    "striptags": _striptags,
    "urlize": _urlize,
}
