"""Lines of a task's log on the terminal."""

import re
from collections.abc import Mapping
from typing import Any

from understage.cli.console import console

COLORS = re.compile(r"\x1b\[[0-9;]*m")


def print_line(line: Mapping[str, Any]) -> None:
    """Print a line, `{message, stepId?}`, at once."""
    place = f"[{line['stepId']}] " if "stepId" in line else ""
    # The log is text for a terminal, colours included; a file gets it without.
    message = line["message"] if console().is_terminal else plain(line)["message"]
    console().file.write(f"{place}{message}\n")
    console().file.flush()


def plain(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line without colours."""
    return {**line, "message": COLORS.sub("", line["message"])}
