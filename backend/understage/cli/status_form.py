"""How `understage catalog status` prints. A module of its own, so that the help needs nothing of what is behind it."""

from enum import StrEnum


class StatusForm(StrEnum):
    """The values of `--format`."""

    table = "table"
    json = "json"
