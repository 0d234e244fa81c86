"""Structured logs: one line an event on standard error, JSON in production, readable on a terminal.

Every module logs by `structlog.get_logger(__name__)`; libraries' standard logging goes the same way. The level comes from
`LOG_LEVEL` (debug, info, warn, error).
"""

import logging
import os
import sys
from typing import Any

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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        # The default shows the local variables of every frame: tokens and secrets among them.
        else [structlog.dev.ConsoleRenderer(pad_event_to=40, exception_formatter=structlog.dev.plain_traceback)]
    )
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


def _add_trace(_logger: Any, _method: str, event: Any) -> Any:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event
