"""Second stage: the inside of a tag becomes tokens, each with its offset. Called by `parsing`."""

import re
from typing import Final, NamedTuple

from understage.templating.errors import Fault, quote
from understage.templating.regexes import scan_regex_literal

NAME: Final = "name"
NUMBER: Final = "number"
STRING: Final = "string"
REGEX: Final = "regex"
OPERATOR: Final = "operator"
END: Final = "end of input"


class Token(NamedTuple):
    """One token; for a regular expression `value` is `pattern/flags`."""

    kind: str
    value: str
    offset: int


_PATTERN = re.compile(
    r"""(?P<space>[ \t\n\r\u00a0]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9]+(?:\.[0-9]*)?)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<operator>===|!==|\*\*|//|==|!=|<=|>=|[()\[\]{}.,:|~+\-*/%<>=])""",
    re.VERBOSE | re.DOTALL,
)
_PROPERTY = re.compile(r"[0-9]*[A-Za-z_][A-Za-z0-9_]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def tokenize(source: str, start: int, end: int) -> list[Token]:
    """The tokens of source[start:end], closed by one of kind END."""
    tokens: list[Token] = []
    previous = ""
    while start < end:
        if previous == "." and (match := _PROPERTY.match(source, start, end)):
            kind = NAME
        elif match := _PATTERN.match(source, start, end):
            kind = str(match.lastgroup)
        else:
            raise Fault(_describe(source, start), start)
        value, at, start = match[0], start, match.end()
        if kind == "space":
            continue
        if kind == NAME and value == "r" and source.startswith("/", start):
            literal = scan_regex_literal(source, at)
            kind, value, start = REGEX, f"{literal.pattern}/{literal.flags}", literal.end
        elif (
            kind == NUMBER
            and start < end
            and (source[start] == "_" or (source[start].isascii() and source[start].isalpha()))
        ):
            raise Fault("Invalid numeric literal", at)
        elif kind == STRING:
            value = value[1:-1]
            if "\\" in value:
                value = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), value)
        tokens.append(Token(kind, value, at))
        previous = value if kind == OPERATOR else ""
    tokens.append(Token(END, "", end))
    return tokens


def _describe(source: str, at: int) -> str:
    if source[at] in "\"'":
        return "Unterminated string literal"
    return f"Unexpected character {quote(source[at])}"
