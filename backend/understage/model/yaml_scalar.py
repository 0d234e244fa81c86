"""What a YAML scalar means by the core schema of YAML 1.2, as JavaScript values.

Called by the builder in `yaml` for every scalar, so the common case (text) leaves after one look at its first character.
"""

import math
import re
from decimal import Decimal
from typing import Any

_MAYBE_SPECIAL = frozenset("0123456789+-.~nNtTfF")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_CORE = "tag:yaml.org,2002:"
_SAFE_INTEGER = 2**53


def resolve_scalar(text: str, plain: bool, tag: str | None) -> Any:
    """The JSON value of a scalar; `plain` is false for quoted and block text. Unknown tags are ignored, as in JavaScript."""
    if tag is not None:
        return _resolve_tagged(text, tag)
    if not plain:
        return text
    if text == "":
        return None
    return _resolve_plain(text) if text[0] in _MAYBE_SPECIAL else text


def key_text(text: Any, plain: bool, tag: str | None) -> str:
    """The text that a scalar has as a key of a JavaScript object: `1`, `true` and `0x10` are "1", "true" and "16"."""
    if isinstance(text, str):
        if not plain or (text and text[0] not in _MAYBE_SPECIAL and tag is None):
            return text
        text = resolve_scalar(text, plain, tag)
        if isinstance(text, str):
            return text
    return number_text(text)


def number_text(value: float | bool | None) -> str:
    """`String(value)` of JavaScript; an absent value is the empty text, as the `yaml` package writes a null key."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return _float_text(value)


def _float_text(value: float) -> str:
    negative, digit_tuple, shift = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    sign = "-" if negative and value != 0 else ""
    exponent = len(digits) + int(shift) - 1
    if 0 <= exponent < 21:
        whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
        return f"{sign}{whole}.{fraction}" if fraction else sign + whole
    if -7 < exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{exponent:+d}"


def _resolve_plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _FLOAT.fullmatch(text):
        return json_number(float(text))
    if _OCTAL.fullmatch(text):
        return _integer(text[2:], 8)
    if _HEX.fullmatch(text):
        return _integer(text[2:], 16)
    return text


def _integer(digits: str, base: int) -> int | float:
    # Python refuses to read integers of thousands of digits; JavaScript has doubles there anyway.
    if base == 10 and len(digits) > 20:
        return float(digits)
    value = int(digits, base) if len(digits) <= 4000 else 2**64 * 2**960
    return value if -(2**63) <= value < 2**64 else _to_float(value)


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def json_number(value: float) -> int | float:
    """The number as JavaScript prints it: `1.0` is `1`. Stays a float beyond 2^53, where it prints the same."""
    return int(value) if value.is_integer() and abs(value) <= _SAFE_INTEGER else value


def _resolve_tagged(text: str, tag: str) -> Any:
    wanted = tag.removeprefix(_CORE)
    if tag == "!" or wanted == tag or wanted == "str":
        return text
    value = _resolve_plain(text) if text else None
    matches = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    return value if matches.get(wanted, False) else text
