"""Strings as JavaScript counts them: in UTF-16 code units.

A template string is an ordinary Python string. Where lengths or positions show, `units` gives the string spelled in code units
(a character beyond U+FFFF as two surrogates) and `merge_units` turns such a spelling back. Text without such characters, nearly
all there is, passes through both untouched.
"""

import re
from collections.abc import Iterable

WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004"
    "\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript's `\\s` and trim() mean; Python's own sets differ in U+001C–U+001F, U+0085 and U+FEFF."""

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def units(text: str) -> str:
    """`text` with one character per UTF-16 code unit."""
    if text.isascii() or _ASTRAL.search(text) is None:
        return text
    return _ASTRAL.sub(lambda match: _split_pair(ord(match[0])), text)


def merge_units(text: str) -> str:
    """`text` with surrogate pairs joined to the characters they mean."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _PAIR.sub(lambda match: _join_pair(ord(match[0][0]), ord(match[0][1])), text)


def join_units(parts: Iterable[str], separator: str = "") -> str:
    """The parts as one string; halves of a character that meet become that character."""
    return merge_units(separator.join(parts))


def length(text: str) -> int:
    """The number of UTF-16 code units."""
    return len(text) if text.isascii() else len(units(text))


def replace_lone_surrogates(text: str) -> str:
    """`text` fit for UTF-8: half a character becomes U+FFFD, which is what Node writes."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _SURROGATE.sub("\ufffd", merge_units(text))


def compare_units(left: str, right: str) -> int:
    """-1, 0 or 1 as `left` comes before, with or after `right` in the order of code units."""
    if left.isascii() or right.isascii():
        return (left > right) - (left < right)
    first, second = left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass")
    return (first > second) - (first < second)


def trim(text: str) -> str:
    """`text` without JavaScript white space at both ends."""
    return text.strip(WHITESPACE)


def _split_pair(code: int) -> str:
    code -= 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def _join_pair(high: int, low: int) -> str:
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
