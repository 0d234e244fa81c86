"""Entry points of what is installed, ours and those of other packages: read once, as every look reads all packages."""

from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any


def installed(group: str) -> EntryPoints:
    """Those of a group, e.g. `understage.actions`."""
    found: EntryPoints = _all().select(group=group)
    return found


@cache
def _all() -> Any:  # of a type that depends on Python's version
    return entry_points()
