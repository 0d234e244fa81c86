"""Regular expressions of JavaScript, `r/…/gimy` in templates: literals, translation to the `regex` package, execution.

The translation spells out what differs: `\\d`, `\\w`, `\\s`, `\\b`, `.`, `^` and `$`, back references to groups that did not take
part (empty, not a failure), braces and brackets that stand for themselves, classes that mean all or nothing. Every execution
has a time limit, which the stock engine lacks. Text is matched in UTF-16 code units, as without the flag `u`.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from understage.templating.errors import Fault
from understage.templating.limits import Meter
from understage.templating.text import WHITESPACE, units

if TYPE_CHECKING:
    import regex

_LONGEST_PATTERN = 16 * 1024
_SPACE = "".join(f"\\u{ord(character):04x}" for character in WHITESPACE)
_CLASS_ESCAPES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_CONTROL = {"n": 10, "r": 13, "t": 9, "v": 11, "f": 12}
_LINE_END = "\\n\\r\\u2028\\u2029"
_WORD = "[A-Za-z0-9_]"
_BOUNDARY = f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"
_NO_BOUNDARY = f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))"
_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]+)(,([0-9]*))?\}")
_GROUP = re.compile(r"\((?:\?(?::|=|!|<=|<!|<([A-Za-z_$][A-Za-z0-9_$]*)>))?")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")


class RegexLiteral(NamedTuple):
    """A literal in a source, and where it ends."""

    pattern: str
    flags: str
    end: int


def scan_regex_literal(source: str, start: int) -> RegexLiteral:
    """The literal that begins with `r/` at `start`."""
    index, backslashes = start + 2, 0
    while index < len(source):
        character = source[index]
        if character == "\\":
            backslashes += 1
        elif character == "/":
            if not backslashes:
                break
            if backslashes % 2 == 0:
                raise Fault("Ambiguous regular-expression delimiter escape", start)
            backslashes = 0
        else:
            backslashes = 0
        index += 1
        if index - start - 2 > _LONGEST_PATTERN:
            raise Fault("Regular-expression literal exceeds the maximum length", start)
    if index >= len(source):
        raise Fault("Unterminated regular-expression literal", start)
    pattern, end = source[start + 2 : index], index + 1
    while end < len(source) and source[end] in "gimy":
        end += 1
    flags = source[index + 1 : end]
    if len(set(flags)) < len(flags):
        raise Fault("Duplicate regular-expression flag", start)
    if end < len(source) and source[end].isascii() and source[end].isalpha():
        raise Fault("Unsupported regular-expression flag", start)
    try:
        compile_regex(pattern, flags)
    except Fault as fault:
        raise fault.at(start) from fault
    return RegexLiteral(pattern, flags, end)


@lru_cache(maxsize=512)
def compile_regex(pattern: str, flags: str) -> "regex.Pattern[str]":
    """The pattern translated and compiled; a Fault when JavaScript would refuse it."""
    # Eight megabytes, which a service whose templates have no such literal goes without.
    import regex

    translated = _Translator(units(pattern), multiline="m" in flags).translate()
    try:
        return regex.compile(translated, regex.V0 | (regex.IGNORECASE if "i" in flags else 0))
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise Fault(f"Invalid regular-expression literal: {error}") from error


def search(
    pattern: "regex.Pattern[str]", text: str, start: int, meter: Meter, *, sticky: bool
) -> "regex.Match[str] | None":
    """The first match in code units from `start` on, or exactly there when sticky."""
    meter.work(1)
    try:
        find = pattern.match if sticky else pattern.search
        return find(text, start, timeout=meter.regex_time())
    except TimeoutError as error:
        raise Fault("The template exceeded its limit of regex_seconds", limit="regex_seconds") from error


def _escaped(character: str) -> str:
    import regex

    return str(regex.escape(character, special_only=False))


class _Translator:
    """One pass over a pattern, left to right."""

    def __init__(self, pattern: str, *, multiline: bool) -> None:
        self.pattern = pattern
        self.multiline = multiline
        self.index = 0
        self.depth = 0
        self.groups, self.names = _count_groups(pattern)
        self.opened: list[str] = []

    def translate(self) -> str:
        parts: list[str] = []
        quantifiable = False
        while self.index < len(self.pattern):
            quantifier = _QUANTIFIER.match(self.pattern, self.index)
            if quantifier:
                if not quantifiable:
                    raise Fault("Invalid regular-expression literal: nothing to repeat")
                parts.append(self.quantifier(quantifier))
                quantifiable = False
                continue
            part, quantifiable = self.atom()
            parts.append(part)
        if self.opened:
            raise Fault("Invalid regular-expression literal: unterminated group")
        return "".join(parts)

    def quantifier(self, match: "re.Match[str]") -> str:
        self.index = match.end()
        if match[1] is not None and match[3] and int(match[3]) < int(match[1]):
            raise Fault("Invalid regular-expression literal: numbers out of order in a quantifier")
        if self.pattern.startswith("?", self.index):
            self.index += 1
            return match[0] + "?"
        return match[0]

    def atom(self) -> tuple[str, bool]:
        """The next part, and whether a quantifier may follow it."""
        character = self.pattern[self.index]
        if character == "(":
            return self.open_group(), False
        if character == ")":
            if not self.opened:
                raise Fault("Invalid regular-expression literal: unmatched )")
            self.index += 1
            return ")", self.opened.pop() not in ("(?<=", "(?<!")
        if character == "[":
            return self.character_class(), True
        if character == "\\":
            return self.escape()
        self.index += 1
        if character == "|":
            return "|", False
        if character == ".":
            return f"[^{_LINE_END}]", True
        if character == "^":
            return (f"(?:\\A|(?<=[{_LINE_END}]))" if self.multiline else "\\A"), False
        if character == "$":
            return (f"(?:\\Z|(?=[{_LINE_END}]))" if self.multiline else "\\Z"), False
        return _escaped(character), True

    def open_group(self) -> str:
        match = _GROUP.match(self.pattern, self.index)
        if match is None or (match[0] == "(" and self.pattern.startswith("(?", self.index)):
            raise Fault("Invalid regular-expression literal: invalid group")
        self.index = match.end()
        self.opened.append(match[0])
        return f"(?P<{match[1]}>" if match[1] else match[0]

    def escape(self) -> tuple[str, bool]:
        if self.index + 1 >= len(self.pattern):
            raise Fault("Invalid regular-expression literal: \\ at end of pattern")
        character = self.pattern[self.index + 1]
        if character in "bB":
            self.index += 2
            return (_BOUNDARY if character == "b" else _NO_BOUNDARY), False
        if character in "123456789":
            number = re.compile(r"[0-9]+").match(self.pattern, self.index + 1)
            assert number is not None
            if int(number[0]) <= self.groups:
                self.index = number.end()
                return f"(?:(?({number[0]})\\g<{number[0]}>|))", True
        if character == "k" and self.names:
            name = re.compile(r"k<([^>]*)>").match(self.pattern, self.index + 1)
            if name is None or name[1] not in self.names:
                raise Fault("Invalid regular-expression literal: invalid named reference")
            self.index = name.end()
            return f"(?:(?({name[1]})(?P={name[1]})|))", True
        if character in "dwsDWS":
            self.index += 2
            return f"[{'^' if character.isupper() else ''}{_CLASS_ESCAPES[character.lower()]}]", True
        return self.character_escape(), True

    def character_escape(self) -> str:
        """An escape for one character, inside or outside of a class; `index` stands on the backslash."""
        self.index += 1
        character = self.pattern[self.index]
        if match := _HEX.match(self.pattern, self.index):
            self.index = match.end()
            return _spell(int(match[1] or match[2], 16))
        if match := re.compile(r"[0-3][0-7]{0,2}|[4-7][0-7]?").match(self.pattern, self.index):
            self.index = match.end()
            return _spell(int(match[0], 8))
        if character == "c" and self.pattern[self.index + 1 : self.index + 2].isalpha():
            self.index += 2
            return _spell(ord(self.pattern[self.index - 1]) % 32)
        if character == "c":
            return _spell(ord("\\"))
        self.index += 1
        return _spell(_CONTROL.get(character, ord(character)))

    def character_class(self) -> str:
        self.index += 1
        negated = self.pattern.startswith("^", self.index)
        self.index += negated
        items: list[str] = []
        while not self.pattern.startswith("]", self.index):
            if self.index >= len(self.pattern):
                raise Fault("Invalid regular-expression literal: unterminated character class")
            first = self.class_item()
            if self.pattern.startswith("-", self.index) and self.pattern[self.index + 1 : self.index + 2] not in (
                "]",
                "",
            ):
                self.index += 1
                last = self.class_item()
                items.append(_class_range(first, last))
            else:
                items.append(first)
        self.index += 1
        if not items:
            return "[\\s\\S]" if negated else "(?!)"
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def class_item(self) -> str:
        if self.index >= len(self.pattern):
            raise Fault("Invalid regular-expression literal: unterminated character class")
        character = self.pattern[self.index]
        if character != "\\":
            self.index += 1
            return _spell(ord(character))
        following = self.pattern[self.index + 1 : self.index + 2]
        if following == "b":
            self.index += 2
            return _spell(8)
        if following and following in "dws":
            self.index += 2
            return _CLASS_ESCAPES[following]
        if following and following in "DWS":
            self.index += 2
            return _complement(_CLASS_ESCAPES[following.lower()])
        if not following:
            raise Fault("Invalid regular-expression literal: \\ at end of pattern")
        return self.character_escape()


def _spell(code: int) -> str:
    return f"\\u{code:04x}"


def _class_range(first: str, last: str) -> str:
    if len(first) != 6 or len(last) != 6:  # \\d and its like are no bounds: the hyphen stands for itself
        return f"{first}{_spell(ord('-'))}{last}"
    if int(first[2:], 16) > int(last[2:], 16):
        raise Fault("Invalid regular-expression literal: range out of order in character class")
    return f"{first}-{last}"


@lru_cache
def _complement(members: str) -> str:
    """All other characters, which takes ten milliseconds to find out."""
    pattern = re.compile(f"[{members}]")
    outside: list[str] = []
    start = None
    for code in range(0x10000):
        inside = pattern.match(chr(code)) is not None
        if not inside and start is None:
            start = code
        if start is not None and (inside or code == 0xFFFF):
            outside.append(f"{_spell(start)}-{_spell(code - 1 if inside else code)}")
            start = None
    return "".join(outside)


def _count_groups(pattern: str) -> tuple[int, set[str]]:
    """How many groups capture, and their names."""
    plain = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern, flags=re.DOTALL)
    names = re.findall(r"\(\?<([A-Za-z_$][A-Za-z0-9_$]*)>", plain)
    if len(set(names)) < len(names):
        raise Fault("Invalid regular-expression literal: duplicate capture group name")
    return len(re.findall(r"\((?!\?)", plain)) + len(names), set(names)
