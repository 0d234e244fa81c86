"""What commands print: progress and results for people, on standard output; the last error on standard error."""

import sys

from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, soft_wrap=True)


def done(what: str, detail: str) -> None:
    """Print a finished part of a start."""
    mark = "✓" if (sys.stdout.encoding or "").lower().startswith("utf") else "*"
    console.print(f"[green]{mark}[/green] {what:<9} ", end="")
    console.print(detail, markup=False, soft_wrap=True)


def lack(what: str, detail: str) -> None:
    """Print a part that is missing, and what to do."""
    console.print(f"[yellow]![/yellow] {what:<9} ", end="")
    console.print(detail, markup=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print the error a command ends with."""
    errors.print("[red]Error:[/red] ", end="")
    errors.print(message, markup=False, soft_wrap=True)
