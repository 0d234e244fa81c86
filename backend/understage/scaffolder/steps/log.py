"""The log of a step: what actions write by `ctx.log`, as winston's coloured text, secrets redacted.

It is for people: what is too much for a page to show, and for a database to keep, is cut, and the log says so.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson

from understage.scaffolder.steps.redaction import Redactor

Level = Literal["debug", "info", "warn", "error"]
LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40}
LONGEST_LINE = 64 * 1024
"""Characters of a line."""
MOST_CHARACTERS = 16 * 1024 * 1024
MOST_LINES = 50_000
"""Of a step, all iterations of its loop together."""
_COLOURS: Mapping[Level, int] = {"debug": 34, "info": 32, "warn": 33, "error": 31}


class LineLog:
    """A `StepLog` that hands finished lines to `write`; lines below `least` are dropped."""

    def __init__(self, write: Callable[[str], None], redactor: Redactor, *, least: str = "info") -> None:
        self._write = write
        self._redactor = redactor
        self._least = LEVELS.get(least, LEVELS["info"])
        self._lines_left = MOST_LINES
        self._characters_left = MOST_CHARACTERS

    def debug(self, message: str, **meta: Any) -> None:
        """Write a line marked as debug."""
        self._line("debug", message, meta)

    def info(self, message: str, **meta: Any) -> None:
        """Write a line."""
        self._line("info", message, meta)

    def warn(self, message: str, **meta: Any) -> None:
        """Write a line marked as a warning."""
        self._line("warn", message, meta)

    def error(self, message: str, **meta: Any) -> None:
        """Write a line marked as an error."""
        self._line("error", message, meta)

    def _line(self, level: Level, message: str, meta: Mapping[str, Any]) -> None:
        if LEVELS[level] < self._least or self._is_full:
            return
        # Twice: within the details before they are escaped, and over the joints.
        plain = orjson.loads(orjson.dumps(meta, default=str, option=orjson.OPT_NON_STR_KEYS)) if meta else None
        details = f" {orjson.dumps(self._redactor.redact_value(plain)).decode()}" if meta else ""
        text = f"\x1b[{_COLOURS[level]}m{level}\x1b[39m: {message}{details}"
        line = self._redactor.redact_beginning(text, LONGEST_LINE)
        if len(text) > LONGEST_LINE:
            line += f"… (a line of {len(text)} characters, cut)"
        self._lines_left -= 1
        self._characters_left -= len(line)
        # Half of a pair of surrogates has no form in UTF-8, in which the log is stored and sent.
        self._write(line if line.isascii() else line.encode("utf-8", "replace").decode())
        if self._is_full:
            self._write(
                f"\x1b[{_COLOURS['warn']}mwarn\x1b[39m: The log of this step is longer than {MOST_LINES} lines or "
                f"{MOST_CHARACTERS >> 20} million characters; the rest is left out. Write it to a file of the workspace"
            )

    @property
    def _is_full(self) -> bool:
        return self._lines_left <= 0 or self._characters_left <= 0
