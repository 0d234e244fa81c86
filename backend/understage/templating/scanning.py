"""First stage: a source becomes text, variable tags and block tags; comments and white-space control are resolved here.

Called by `parsing`. Raw blocks come out as text. The end of a tag is found outside of strings and regular expressions, so
`${{ "}}" }}` is one tag.
"""

import re
from dataclasses import dataclass
from typing import Literal

from understage.templating.errors import Fault
from understage.templating.regexes import scan_regex_literal
from understage.templating.text import WHITESPACE

CODE_WHITESPACE = " \t\n\r\u00a0"
"""White space between the tokens of a tag, fewer characters than in text."""

_TOKEN = r""""(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z)|[0-9]*[A-Za-z_][A-Za-z0-9_]*|[0-9]+"""
_END_OF = {closing: re.compile(f"{_TOKEN}|({re.escape(closing)})", re.DOTALL) for closing in ("}}", "%}")}
_TAG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RAW_MARKER = re.compile(
    r"\{%([" + re.escape(WHITESPACE) + r"]*)(end)?(raw|verbatim)([" + re.escape(WHITESPACE) + r"]*)%\}"
)

Kind = Literal["text", "variable", "block"]


@dataclass(frozen=True, slots=True)
class Syntax:
    """How tags look and what happens to the white space around them."""

    variable_start: str = "${{"
    trim_blocks: bool = False
    lstrip_blocks: bool = False


@dataclass(slots=True)
class Piece:
    """Text, or the inside of a tag from `start` to `end`; `name` is the first word of a block tag."""

    kind: Kind
    offset: int
    start: int
    end: int
    text: str = ""
    name: str = ""


def scan_template(source: str, syntax: Syntax) -> list[Piece]:
    """The pieces of `source` in order."""
    return _Scanner(source, syntax).scan()


class _Scanner:
    def __init__(self, source: str, syntax: Syntax) -> None:
        self.source = source
        self.syntax = syntax
        self.index = 0
        self.pieces: list[Piece] = []
        self.pending: list[str] = []
        self.pending_at = 0
        self.next_at: dict[str, int] = {}

    def scan(self) -> list[Piece]:
        source = self.source
        while self.index < len(source):
            at, opening = min((self.find(text), text) for text in (self.syntax.variable_start, "{%", "{#"))
            stray = self.find("#}")
            if stray < at:
                raise Fault("Unexpected end of comment", stray)
            self.add_text(source[self.index : at])
            self.index = at
            if at < len(source):
                self.scan_tag(opening)
        self.flush()
        return self.pieces

    def find(self, text: str) -> int:
        """Where `text` occurs next; the length of the source when nowhere."""
        at = self.next_at.get(text, -1)
        if at < self.index:
            at = self.source.find(text, self.index)
            self.next_at[text] = at = at if at >= 0 else len(self.source)
        return at

    def add_text(self, text: str) -> None:
        if text:
            if not self.pending:
                self.pending_at = self.index
            self.pending.append(text)

    def flush(self) -> None:
        text = "".join(self.pending)
        self.pending.clear()
        if text:
            self.pieces.append(Piece("text", self.pending_at, 0, 0, text=text))

    def scan_tag(self, opening: str) -> None:
        source, at = self.source, self.index
        block = opening == "{%"
        if block and self.syntax.lstrip_blocks:
            self.strip_indent(at)
        start = at + len(opening)
        if source.startswith("-", start):
            start += 1
            self.pending = ["".join(self.pending).rstrip(WHITESPACE)]
        end = source.find("#}", start) if opening == "{#" else find_end(source, start, "%}" if block else "}}")
        if end < 0:
            kind = "block" if block else "comment" if opening == "{#" else "variable"
            raise Fault(f"Unterminated {kind} tag", at)
        right_trim = source[end - 1] == "-"
        self.index = end + 2
        if opening != "{#":
            piece = self.make_piece("block" if block else "variable", at, start, end - 1 if right_trim else end)
            if piece.name in ("raw", "verbatim"):
                self.copy_raw(piece)
                if right_trim:
                    self.skip_whitespace()
                return
            self.flush()
            self.pieces.append(piece)
        if right_trim:
            self.skip_whitespace()
        elif block:
            self.trim_newline()

    def make_piece(self, kind: Kind, offset: int, start: int, end: int) -> Piece:
        while start < end and self.source[start] in CODE_WHITESPACE:
            start += 1
        while end > start and self.source[end - 1] in CODE_WHITESPACE:
            end -= 1
        piece = Piece(kind, offset, start, max(start, end))
        if kind == "block" and (match := _TAG_NAME.match(self.source, start, end)):
            piece.name = match[0]
            piece.start = match.end()
            while piece.start < end and self.source[piece.start] in CODE_WHITESPACE:
                piece.start += 1
        return piece

    def copy_raw(self, piece: Piece) -> None:
        if piece.start < piece.end:
            raise Fault(f"{piece.name} tag does not accept trailing content", piece.offset)
        self.trim_newline()
        depth = 1
        for marker in _RAW_MARKER.finditer(self.source, self.index):
            if marker[3] != piece.name:
                continue
            depth += -1 if marker[2] else 1
            if depth == 0:
                if "\n" in marker[0]:
                    raise Fault(f"{piece.name} closing tag cannot contain a line break", marker.start())
                self.add_text(self.source[self.index : marker.start()])
                self.index = marker.end()
                return
        raise Fault(f'Missing "end{piece.name}" tag', piece.offset)

    def strip_indent(self, at: int) -> None:
        line = self.source.rfind("\n", 0, at) + 1
        if self.source[line:at].strip(WHITESPACE):
            return
        text = "".join(self.pending)
        indent = text.rfind("\n") + 1
        if not text[indent:].strip(WHITESPACE):
            self.pending = [text[:indent]]

    def trim_newline(self) -> None:
        if self.syntax.trim_blocks:
            if self.source.startswith("\r\n", self.index):
                self.index += 2
            elif self.source.startswith("\n", self.index):
                self.index += 1

    def skip_whitespace(self) -> None:
        while self.index < len(self.source) and self.source[self.index] in WHITESPACE:
            self.index += 1


def find_end(source: str, start: int, closing: str) -> int:
    """Where `closing` stands outside of strings, names and regular expressions; -1 when nowhere."""
    pattern = _END_OF[closing]
    while (match := pattern.search(source, start)) is not None:
        if match[1]:
            return match.start()
        start = match.end()
        if match[0] == "r" and source.startswith("/", start):
            start = scan_regex_literal(source, match.start()).end
    return -1
