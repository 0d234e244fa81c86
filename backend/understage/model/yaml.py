"""YAML as JavaScript's `yaml` package reads it: version 1.2, core schema, several documents in a text.

Called wherever a file from outside is read: entity files, templates, app-config, values files. libyaml turns the text
into events, the builder here turns events into plain JSON values (dict, list, str, int, float, bool, None). Compared
with PyYAML's own loaders: `on`, `012`, `12:30` and dates keep their meaning, `<<` is an ordinary key, duplicate keys are
errors, mapping keys are strings, and an alias is a copy whose total size is limited. `dump` lives in `yaml_dump`.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from understage.errors import SourceError
from understage.model.yaml_dump import dump
from understage.model.yaml_position import find_position, line_at
from understage.model.yaml_scalar import key_text, resolve_scalar

__all__ = ["MAX_BYTES", "Document", "Span", "dump", "parse_document", "parse_documents"]

MAX_BYTES = 10 * 1024 * 1024
"""The longest text read unless the caller allows more."""
MAX_DEPTH = 200
"""The deepest nesting: below what the JSON encoder takes."""
MAX_DOCUMENTS = 150_000
"""How many documents a text may have: more than the smallest entities that fit into `MAX_BYTES`."""
MAX_ALIASED_NODES = 100_000
"""How many nodes all aliases of a text may add, so that a few lines cannot fill the memory."""

_OLD_BREAKS = "\x85\u2028\u2029"
_PRIVATE_USE = range(0xE000, 0xF8FF)


class Document:
    """One document of a text: its JSON value, and on demand where a part of it stands.

    `value` is None for an empty document.
    """

    __slots__ = ("file", "span", "value")

    def __init__(self, value: Any, span: "Span", file: str) -> None:
        self.value = value
        self.file = file
        self.span = span

    def position_of(self, path: Sequence[str | int] = (), *, key: bool = False) -> tuple[int, int]:
        """Line and column, both from 1, of the value at `path`, or of its key if `key`.

        A path that does not exist gives the position of its deepest existing ancestor. The text is read again, so
        this is for error messages.
        """
        return self.span.find(path, key=key)

    def error(self, message: str, path: Sequence[str | int] = (), *, key: bool = False) -> SourceError:
        """The error that `message` is about the value at `path`, with file, line and column; to be raised."""
        line, column = self.span.find(path, key=key)
        return SourceError(message, file=self.file, line=line, column=column, text=self.span.line(line, column))


class Span:
    """The part of a text that a document stands in, from its line `first` (from 0) on."""

    __slots__ = ("_end", "_first", "_start", "_text")

    def __init__(self, text: str, start: int, first: int) -> None:
        self._text = text
        self._start = start
        self._first = first
        self._end = len(text)

    def end_before(self, other: "Span") -> None:
        """The span ends where the next one begins."""
        self._end = other._start

    def find(self, path: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """See `Document.position_of`."""
        line, column = find_position(self._text, self._start, self._end, path, key=key)
        return self._first + line + 1, column + 1

    def line(self, line: int, column: int) -> str:
        """The line with that number, a very long one from `column` on only."""
        return line_at(self._text[self._start : self._end], line - self._first, column)


def parse_documents(text: str | bytes, file: str = "<text>", *, max_bytes: int = MAX_BYTES) -> list[Document]:
    """All documents of a YAML or JSON text.

    Empty documents between separators are kept with value None; an empty text has none. Raises SourceError with
    `file`, line and column for text that is not YAML, is longer than `max_bytes`, nests too deep, repeats a key, has a
    key that is no scalar, or expands aliases beyond the limit.
    """
    decoded, restore = _protect_breaks(_decode(text, file, max_bytes))
    try:
        documents = _Builder(decoded, file).documents()
        if restore:
            for document in documents:
                document.value = _translate(document.value, restore)
        return documents
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        column = mark.column + 1 if mark else None
        reason = " ".join(part for part in (error.problem, error.context) if part) or "not YAML"
        raise SourceError(
            reason, file=file, line=line, column=column, text=line_at(decoded, line, column or 1) if line else None
        ) from error
    except yaml.YAMLError as error:
        raise _unreadable_character(error, decoded, file) from error
    except UnicodeEncodeError as error:
        raise SourceError(f"not Unicode text: {error.reason}", file=file) from error


def parse_document(text: str | bytes, file: str = "<text>", *, max_bytes: int = MAX_BYTES) -> Document:
    """The only document of a text; an empty text is one document with value None. Errors as `parse_documents`."""
    documents = parse_documents(text, file, max_bytes=max_bytes)
    if not documents:
        return Document(None, Span("", 0, 0), file)
    if len(documents) > 1:
        raise documents[1].error("expected one document, found another one here; remove it or the '---' before it")
    return documents[0]


def _decode(text: str | bytes, file: str, max_bytes: int) -> str:
    # A character has at most four bytes, so most texts need no encoding to be measured.
    if len(text) > max_bytes or (isinstance(text, str) and len(text) * 4 > max_bytes < len(text.encode())):
        raise SourceError(f"longer than the {max_bytes} bytes that are read", file=file)
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError("not UTF-8 text", file=file, line=line) from error


def _protect_breaks(text: str) -> tuple[str, dict[int, str] | None]:
    """Stand-ins for the characters that end a line in YAML 1.1 but not in 1.2, and the table that undoes them."""
    present = [character for character in _OLD_BREAKS if character in text]
    if not present:
        return text, None
    unused = (chr(code) for code in _PRIVATE_USE if chr(code) not in text)
    stand_ins = dict(zip(present, unused, strict=False))
    if len(stand_ins) < len(present):
        return text, None
    protected = text.translate({ord(character): stand_in for character, stand_in in stand_ins.items()})
    return protected, {ord(stand_in): character for character, stand_in in stand_ins.items()}


def _translate(value: Any, table: dict[int, str]) -> Any:
    if isinstance(value, str):
        return value.translate(table)
    if isinstance(value, list):
        return [_translate(item, table) for item in value]
    if isinstance(value, dict):
        return {key.translate(table): _translate(child, table) for key, child in value.items()}
    return value


def _unreadable_character(error: yaml.YAMLError, text: str, file: str) -> SourceError:
    position = getattr(error, "position", None)
    character = getattr(error, "character", None)
    if not isinstance(position, int):
        return SourceError(str(error), file=file)
    # libyaml counts bytes where it decodes itself.
    before = text.encode()[:position].decode(errors="ignore")
    line = before.count("\n") + 1
    shown = f"U+{character:04X}" if isinstance(character, int) else repr(character)
    return SourceError(f"the character {shown} is not allowed in YAML", file=file, line=line)


class _Builder:
    """Turns the events of one text into JSON values."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._next: Callable[[], Any] = yaml.CSafeLoader(text).get_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._aliased = 0
        self._nodes = 0
        self._depth = 0

    def documents(self) -> list[Document]:
        documents: list[Document] = []
        while True:
            event = self._next()
            kind = type(event)
            if kind is DocumentStartEvent:
                self._anchors.clear()
                mark = event.start_mark
                # A document without `---` begins at its first word, which may stand further right.
                span = Span(self._text, mark.index - mark.column, mark.line)
                if len(documents) == MAX_DOCUMENTS:
                    raise self._error(f"more than the {MAX_DOCUMENTS} documents that are read", event)
                if documents:
                    documents[-1].span.end_before(span)
                documents.append(Document(self._value(self._next()), span, self._file))
            elif kind is StreamEndEvent:
                return documents

    def _value(self, event: Any) -> Any:
        self._nodes += 1
        kind = type(event)
        if kind is ScalarEvent:
            value = resolve_scalar(event.value, event.implicit[0], event.tag)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, 1)
            return value
        if kind is AliasEvent:
            return self._alias(event)
        return self._collection(event, kind)

    def _collection(self, event: Any, kind: type) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than the {MAX_DEPTH} levels that are read", event)
        anchor = event.anchor
        before = self._nodes
        if anchor is not None:
            self._open_anchors.add(anchor)
            self._anchors.pop(anchor, None)
        value = self._mapping() if kind is MappingStartEvent else self._sequence()
        if anchor is not None:
            self._open_anchors.discard(anchor)
            self._anchors[anchor] = (value, self._nodes - before + 1)
        self._depth -= 1
        return value

    def _mapping(self) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        next_event = self._next
        while True:
            event = next_event()
            kind = type(event)
            if kind is MappingEndEvent:
                return mapping
            if kind is ScalarEvent:
                key = key_text(event.value, event.implicit[0], event.tag)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (key, 1)
            else:
                key = self._other_key(event)
            if key in mapping:
                raise self._error(f"the key {key!r} stands here a second time; map keys must be unique", event)
            mapping[key] = self._value(next_event())

    def _sequence(self) -> list[Any]:
        items: list[Any] = []
        next_event = self._next
        while True:
            event = next_event()
            if type(event) is SequenceEndEvent:
                return items
            items.append(self._value(event))

    def _other_key(self, event: Any) -> str:
        if type(event) is AliasEvent:
            value = self._alias(event)
            if not isinstance(value, (dict, list)):
                return value if isinstance(value, str) else key_text(value, False, None)
        hint = ' (a text that begins with "{" must be quoted, a template expression for example)'
        raise self._error("a map key must be plain text, here it is a map or a list" + hint, event)

    def _alias(self, event: Any) -> Any:
        name = event.anchor
        known = self._anchors.get(name)
        if known is None:
            if name in self._open_anchors:
                raise self._error(f"the alias *{name} stands inside of what it refers to", event)
            raise self._error(f"the alias *{name} has no anchor &{name} before it", event)
        value, size = known
        self._aliased += size
        self._nodes += size
        if self._aliased > MAX_ALIASED_NODES:
            raise self._error(f"the aliases expand to more than {MAX_ALIASED_NODES} values", event)
        # A copy: whoever changes one place of the entity must not change the other.
        return copy.deepcopy(value) if isinstance(value, (dict, list)) else value

    def _error(self, message: str, event: Any) -> SourceError:
        mark = event.start_mark
        line = mark.line + 1
        return SourceError(
            message,
            file=self._file,
            line=line,
            column=mark.column + 1,
            text=line_at(self._text, line, mark.column + 1),
        )
