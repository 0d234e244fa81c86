"""What commands print: progress and results for people, on standard output; the last error on standard error.

A service that prints nothing does without the library that colours it.
"""

import io
import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console(*, stderr: bool = False) -> "Console":
    """The terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def take_any_text() -> None:
    """Let the outputs tell characters that their encoding lacks by their numbers, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """What comes from files, or from elsewhere, moves no cursor and sets no color."""
    return "".join(character if character.isprintable() else " " for character in text)


def json_text(value: Any) -> str:
    """Indented JSON, in the characters that the output takes."""
    is_unicode = (console().encoding or "").lower().startswith("utf")
    return json.dumps(value, indent=2, ensure_ascii=not is_unicode)


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
