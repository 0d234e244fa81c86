"""Where the documents of a YAML text begin, without reading them. Called by `model.yaml` for texts that are broken."""

import re
from collections.abc import Iterator

_END = r"(?:\r\n?|\n)"
_BREAK = re.compile(_END)
# Possessive and bounded, so that a text of directives takes no more time than any other.
_DIRECTIVE = rf"%(?:YAML|TAG)[ \t][^\r\n]*{_END}(?:[ \t]*(?:#[^\r\n]*)?{_END})*+"
_START = re.compile(rf"(?:\A|(?<=[\r\n]))(?:{_DIRECTIVE}){{0,8}}+---(?=[ \t\r\n]|\Z)")
_BEGINNING = re.compile(rf"{_START.pattern}[^\r\n]*(?:{_END}|\Z)")


def split_documents(text: str) -> Iterator[tuple[int, str]]:
    """The parts of a text that hold a document each, and how many lines stand before each; together they are the text.

    A document begins at a line with `---`, or at the directives above it. YAML takes these lines for nothing else, inside
    of texts and braces neither. The first part may hold comments only.
    """
    start = lines = 0
    for found in _START.finditer(text):
        if found.start() > start:
            yield lines, text[start : found.start()]
            lines += len(_BREAK.findall(text, start, found.start()))
            start = found.start()
    yield lines, text[start:]


def beginning_of(part: str) -> str:
    """What tells that a document begins: the lines of a part down to the one with `---`, nothing of one without it."""
    found = _BEGINNING.match(part)
    return found[0] if found else ""
