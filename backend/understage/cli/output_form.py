"""How a command prints what it found. A module of its own, so that the help needs nothing of what is behind it."""

from enum import StrEnum


class OutputForm(StrEnum):
    """The values of `--format`."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"
