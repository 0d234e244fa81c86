"""The reference page of the command, from its own help."""

from collections.abc import Iterator
from typing import Any

import typer.main

from understage.cli.main import app

HEAD = """\
# Command

`understage --help` and `understage COMMAND --help` say the same. An error ends a command with one line and exit code 1;
`UNDERSTAGE_DEBUG=1` shows where it came from. In a checkout, after `make install`, the command is `.venv/bin/understage`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """All commands with their full names, in the order of the help."""
    yield from _walk(typer.main.get_command(app), "understage")


def describe_commands() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_describe(name, command) for name, command in commands())])


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child, part in command.commands.items():
        yield from _walk(part, f"{name} {child}")


def _describe(name: str, command: Any) -> str:
    text, _, examples = (command.help or "").partition("Examples:")
    parts = [f"## {name}\n", f"{text.strip()}\n"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    if options:
        parts += ["| option | |\n|---|---|", *map(_row, options), ""]
    if examples:
        lines = (line.strip() for line in examples.strip().splitlines())
        parts += ["```shell", *lines, "```\n"]
    return "\n".join(parts)


def _row(option: Any) -> str:
    name = ", ".join(f"`{text}`" for text in option.opts)
    default = "" if option.default in (None, False) else f" Default: `{option.default}`."
    return f"| {name} | {option.help or ''}{default} |"
