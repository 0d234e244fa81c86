"""The log of a step: what actions write by `ctx.log`, as winston's coloured text, secrets redacted."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson

from understage.scaffolder.steps.redaction import Redactor

Level = Literal["debug", "info", "warn", "error"]
LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40}
_COLOURS: Mapping[Level, int] = {"debug": 34, "info": 32, "warn": 33, "error": 31}


class LineLog:
    """A `StepLog` that hands finished lines to `write`; lines below `least` are dropped."""

    def __init__(self, write: Callable[[str], None], redactor: Redactor, *, least: str = "info") -> None:
        self._write = write
        self._redactor = redactor
        self._least = LEVELS.get(least, LEVELS["info"])

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
        if LEVELS[level] < self._least:
            return
        # Twice: within the details before they are escaped, and over the joints.
        plain = orjson.loads(orjson.dumps(meta, default=str, option=orjson.OPT_NON_STR_KEYS)) if meta else None
        details = f" {orjson.dumps(self._redactor.redact_value(plain)).decode()}" if meta else ""
        coloured = f"\x1b[{_COLOURS[level]}m{level}\x1b[39m: {message}{details}"
        self._write(self._redactor.redact(coloured))
