"""Structured logs: one line an event on standard error, JSON in production, readable on a terminal.

Every module logs by `structlog.get_logger(__name__)`; libraries' standard logging goes the same way. The level comes from
`LOG_LEVEL` (debug, info, warn, error).
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from json import dumps
from typing import Any, TextIO

import orjson
import structlog
from opentelemetry import trace

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
# Chatty below warning, and their messages are for their authors.
QUIET = ("httpx", "httpcore", "alembic", "aiosqlite", "asyncio", "uvicorn.access", "sqlalchemy", "kubernetes")


def configure_logging(*, json: bool | None = None, level: str = "info") -> None:
    """Set up structlog and the standard library's root logger; `json` defaults to: standard error is no terminal.

    `level` counts unless LOG_LEVEL is set.
    """
    least = LEVELS.get(os.environ.get("LOG_LEVEL", level).lower(), logging.INFO)
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]
        if as_json
        # The default shows the local variables of every frame: tokens and secrets among them.
        else [structlog.dev.ConsoleRenderer(pad_event_to=40, exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=_Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))


class _Lines:
    """Makes loggers that write to `stream`. By way of the standard library a line costs three times as much."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._loggers: dict[str, _Logger] = {}

    def __call__(self, name: str = "") -> "_Logger":
        if name not in self._loggers:
            self._loggers[name] = _Logger(name, self._write)
        return self._loggers[name]

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class _Logger:
    """Writes lines that are rendered already; that they are to be written was decided before."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = write


def _to_json(value: Any, *, default: Callable[[Any], Any], **_options: Any) -> str:
    try:
        return orjson.dumps(value, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Halves of characters, numbers beyond 64 bits: rather an odd line than none.
        return dumps(value, default=default)


def _add_trace(_logger: Any, _method: str, event: Any) -> Any:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event
