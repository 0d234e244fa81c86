"""What tests say about the command's output."""

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]


def findings(result: Result) -> list[dict[str, Any]]:
    """Of `--format json`."""
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


def places(result: Result) -> list[tuple[str, int, int]]:
    """Check, line and column of each."""
    return [(found["rule"], found.get("line", 0), found.get("column", 0)) for found in findings(result)]
