"""What can go wrong in a template.

    InputError
    └── TemplateError          syntax or evaluation; line, column, construct
        └── TemplateLimitError   a bound of `Limits` was exceeded

Inside the package the evaluator raises `Fault`, which knows an offset at most; `render` turns it into a TemplateError, where the
source is at hand to say line, column and construct.
"""

import re
from typing import ClassVar

from understage.errors import InputError

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LONGEST_MESSAGE = 1024
_LONGEST_CONSTRUCT = 120


class TemplateError(InputError):
    """A template is wrong, or failed on the values it was given.

    `line` and `column` count from 1 and are None where the place is unknown; `construct` is the tag or the piece of text at that
    place, shortened; `reason` is the message without the place.
    """

    name: ClassVar[str] = "TemplateRenderError"

    def __init__(
        self, reason: str, *, line: int | None = None, column: int | None = None, construct: str | None = None
    ) -> None:
        place = f"Template error at line {line}, column {column}: " if line is not None else ""
        super().__init__(place + reason)
        self.reason = reason
        self.line = line
        self.column = column
        self.construct = construct


class TemplateLimitError(TemplateError):
    """A render needed more than its `Limits` allow; `limit` names the field."""

    name: ClassVar[str] = "TemplateLimitError"

    def __init__(
        self,
        reason: str,
        *,
        limit: str,
        line: int | None = None,
        column: int | None = None,
        construct: str | None = None,
    ) -> None:
        super().__init__(reason, line=line, column=column, construct=construct)
        self.limit = limit


class Fault(Exception):
    """A failure inside the package. `offset` is the place in the source, set by the innermost node that knows one."""

    def __init__(self, message: str, offset: int | None = None, *, limit: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.limit = limit

    def at(self, offset: int) -> "Fault":
        """The same fault, placed at `offset` unless an inner node has placed it before."""
        if self.offset is None:
            self.offset = offset
        return self


def explain(fault: Fault, source: str) -> TemplateError:
    """The public error for `fault`, placed in `source`."""
    message = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", fault.message)
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "…"
    line = column = construct = None
    if fault.offset is not None:
        before = source[: fault.offset]
        line = before.count("\n") + 1
        column = fault.offset - (before.rfind("\n") + 1) + 1
        construct = _construct_at(source, fault.offset)
    if fault.limit is not None:
        return TemplateLimitError(message, limit=fault.limit, line=line, column=column, construct=construct)
    return TemplateError(message, line=line, column=column, construct=construct)


def quote(text: str) -> str:
    """`text` in double quotes, shortened, for a message."""
    shown = text if len(text) <= 200 else text[:200] + "…"
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _construct_at(source: str, offset: int) -> str:
    """The tag around `offset`, or the line when no tag is there."""
    start = max(source.rfind(opening, 0, offset + 3) for opening in ("${{", "{{", "{%"))
    if start > 0 and source.startswith("{{", start) and source[start - 1] == "$":
        start -= 1
    closings = [end + 2 for closing in ("}}", "%}") if (end := source.find(closing, offset)) >= 0]
    end = min(closings, default=len(source))
    if start < 0 or end < offset:
        start = source.rfind("\n", 0, offset) + 1
        end = source.find("\n", offset) if "\n" in source[offset:] else len(source)
    text = source[start:end]
    return text if len(text) <= _LONGEST_CONSTRUCT else text[:_LONGEST_CONSTRUCT] + "…"
