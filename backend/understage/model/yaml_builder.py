"""The builder of `model.yaml`: libyaml's events of one text become documents of plain JSON values."""

import copy
from collections.abc import Callable, Sequence
from sys import intern
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
from understage.model.yaml_position import find_position, line_at
from understage.model.yaml_scalar import key_text, resolve_scalar

MAX_DEPTH = 200
"""The deepest nesting: below what the JSON encoder takes."""
MAX_DOCUMENTS = 150_000
"""How many documents a text may have: more than the smallest entities that fit into `MAX_BYTES`."""
MAX_ALIASED_NODES = 100_000
"""How many nodes all aliases of a text may add, so that a few lines cannot fill the memory."""


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

    def __init__(self, text: str, start: int, first: int, end: int | None = None) -> None:
        self._text = text
        self._start = start
        self._first = first
        self._end = len(text) if end is None else end

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it starts, its first line, and where it ends: what makes the same one of the same text."""
        return self._start, self._first, self._end

    def move(self, lines: int) -> None:
        """The text is part of another one, in which so many lines stand before it."""
        self._first += lines

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


class Spent:
    """What the documents of a text took of its limits so far."""

    __slots__ = ("aliased", "documents")

    def __init__(self) -> None:
        self.aliased = 0
        self.documents = 0

    @property
    def is_all(self) -> bool:
        """Whether a limit is reached, so that nothing more of the text is read."""
        return self.aliased > MAX_ALIASED_NODES or self.documents > MAX_DOCUMENTS


class Builder:
    """Turns the events of one text into JSON values."""

    def __init__(self, text: str, file: str, spent: Spent) -> None:
        self._text = text
        self._file = file
        self._spent = spent
        self._next: Callable[[], Any] = yaml.CSafeLoader(text).get_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._nodes = 0
        self._depth = 0

    def documents(self) -> list[Document]:
        """All of them. Raises SourceError, and what libyaml raises."""
        documents: list[Document] = []
        while True:
            event = self._next()
            kind = type(event)
            if kind is DocumentStartEvent:
                self._anchors.clear()
                mark = event.start_mark
                # A document without `---` begins at its first word, which may stand further right.
                span = Span(self._text, mark.index - mark.column, mark.line)
                self._spent.documents += 1
                if self._spent.documents > MAX_DOCUMENTS:
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
                # A file's keys are few: as one text each, they are handed over and kept once.
                key = intern(key_text(event.value, event.implicit[0], event.tag))
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
        self._spent.aliased += size
        self._nodes += size
        if self._spent.aliased > MAX_ALIASED_NODES:
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
