"""The `understage` command. Each command is a module; `main` puts them together, `entry` starts what serves without them all."""

from understage.cli.entry import main

__all__ = ["main"]
