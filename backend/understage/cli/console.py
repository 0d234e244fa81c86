"""What commands print: progress and results for people, on standard output; the last error on standard error.

A service that prints nothing does without the library that colours it.
"""

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console(*, stderr: bool = False) -> "Console":
    """The terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, markup=False, soft_wrap=True)


def done(what: str, detail: str) -> None:
    """Print a finished part of a start."""
    mark = "✓" if (sys.stdout.encoding or "").lower().startswith("utf") else "*"
    console().print(f"[green]{mark}[/green] {what:<9} ", end="")
    console().print(detail, markup=False, soft_wrap=True)


def lack(what: str, detail: str) -> None:
    """Print a part that is missing, and what to do."""
    console().print(f"[yellow]![/yellow] {what:<9} ", end="")
    console().print(detail, markup=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print the error a command ends with."""
    console(stderr=True).print("[red]Error:[/red] ", end="")
    console(stderr=True).print(message, markup=False, soft_wrap=True)
