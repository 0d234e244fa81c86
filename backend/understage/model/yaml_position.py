"""Where in a YAML text a value stands; called for error messages only, so that reading need not remember positions."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from yaml.events import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from understage.model.yaml_scalar import key_text

NextEvent = Callable[[], Any]
LONGEST_LINE = 300
_BREAK = re.compile(r"\r\n?|\n")


def find_position(text: str, start: int, end: int, path: Sequence[str | int], *, key: bool) -> tuple[int, int]:
    """Line (from 0, in the part) and column (from 0) of the value at `path` in the first document of a part of a text.

    The text was parsed before, so it is known to be YAML; `start` is the beginning of a line.
    """
    next_event: NextEvent = yaml.CSafeLoader(text[start:end]).get_event
    event = next_event()
    while type(event) is not StreamEndEvent:
        if type(event) is DocumentStartEvent:
            return _locate(next_event, next_event(), path, key)
        event = next_event()
    return 0, 0


def line_at(text: str, number: int, column: int) -> str:
    """A line of a text for a message; of one that fills a page, the part from `column` on. Both count from 1."""
    lines = _BREAK.split(text)
    line = lines[number - 1] if number <= len(lines) else ""
    if len(line) <= LONGEST_LINE:
        return line
    start = 0 if column <= LONGEST_LINE else column - 1
    part = line[start : start + LONGEST_LINE]
    return ("…" if start else "") + part + ("…" if start + LONGEST_LINE < len(line) else "")


def _locate(next_event: NextEvent, event: Any, path: Sequence[str | int], key: bool) -> tuple[int, int]:
    mark = event.start_mark
    for depth, part in enumerate(path):
        if isinstance(event, MappingStartEvent):
            found = _enter_mapping(next_event, str(part))
        elif isinstance(event, SequenceStartEvent) and isinstance(part, int):
            found = _enter_sequence(next_event, part)
        else:
            break
        if found is None:
            break
        key_event, event = found
        mark = key_event.start_mark if key and depth == len(path) - 1 else event.start_mark
    return mark.line, mark.column


def _enter_mapping(next_event: NextEvent, part: str) -> tuple[Any, Any] | None:
    while True:
        key_event = next_event()
        if isinstance(key_event, MappingEndEvent):
            return None
        value_event = next_event()
        if (
            isinstance(key_event, ScalarEvent)
            and key_text(key_event.value, key_event.implicit[0], key_event.tag) == part
        ):
            return key_event, value_event
        _skip(next_event, value_event)


def _enter_sequence(next_event: NextEvent, part: int) -> tuple[Any, Any] | None:
    position = 0
    while True:
        event = next_event()
        if isinstance(event, SequenceEndEvent):
            return None
        if position == part:
            return event, event
        _skip(next_event, event)
        position += 1


def _skip(next_event: NextEvent, event: Any) -> None:
    """Read to the end of the value that `event` begins."""
    depth = 0
    while True:
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            depth -= 1
        if depth == 0:
            return
        event = next_event()
