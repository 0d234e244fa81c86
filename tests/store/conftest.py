"""Fixtures of the store tests."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from understage.platform.logging import configure_logging


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as an operator reads it, with everything in it."""
    lines = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr("sys.stderr", lines)
    monkeypatch.setenv("LOG_LEVEL", "debug")
    configure_logging(json=True)
    yield lines
    structlog.reset_defaults()
    root.handlers, root.level = before, level
