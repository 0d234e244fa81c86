"""Where the `understage` command begins. What serves is started by few lines, everything else by `cli.main`.

The library that reads the commands and paints their help would stay in the memory of a service for as long as it runs. So
`up` and `serve` with their two plain options are read here; whatever is not as plain (a mistake, `--help`) is left to `cli.main`.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from understage.errors import UnderstageError

SERVING = ("serve", "up")
PORTS = range(65536)


class Serving(NamedTuple):
    """`understage serve` or `understage up` with its options."""

    command: str
    config: list[Path]
    port: int | None


def main() -> None:
    """Entry point. Errors meant for people end in one line and exit code 1; `UNDERSTAGE_DEBUG=1` shows where."""
    try:
        serving = read_serving(sys.argv[1:])
        if serving is None:
            from understage.cli.main import app

            app(standalone_mode=True)
        else:
            serve(serving)
    except UnderstageError as error:
        if os.environ.get("UNDERSTAGE_DEBUG"):
            raise
        from understage.cli.console import fail

        fail(error.message)
        sys.exit(1)


def serve(serving: Serving) -> None:
    """Run until it is stopped."""
    from understage.platform.light_imports import lighten

    # What a start makes stays: looking for cycles in it again and again is a tenth of the time. `cli.server` turns it on.
    gc.disable()
    lighten("structlog", "sqlalchemy.ext.asyncio")
    from understage.cli.server import run_serve, run_up

    run = run_up if serving.command == "up" else run_serve
    run(serving.config, serving.port)


def read_serving(arguments: Sequence[str]) -> Serving | None:
    """What to serve; None where `cli.main` has to look."""
    if not arguments or arguments[0] not in SERVING:
        return None
    config: list[Path] = []
    port: int | None = None
    rest = iter(arguments[1:])
    for argument in rest:
        option, is_joined, value = argument.partition("=")
        if not is_joined:
            value = next(rest, "")
        if value.startswith("-"):
            return None
        if option == "--config" and value:
            config.append(Path(value))
        elif option == "--port" and value.isascii() and value.isdigit() and int(value) in PORTS:
            port = int(value)
        else:
            return None
    return Serving(arguments[0], config, port)
