"""The `understage` command. Each command is a module; this one puts them together and turns errors into a last line."""

from understage.cli.main import main

__all__ = ["main"]
