"""Runs `understage` with the arguments it is given and tells at its end who imported what is not wanted at a start.

`python -m tests.unit.light_start FILE NAMES ARGUMENTS…`: names of modules with commas between; FILE gets a JSON object of those
that were imported, each with the importers, nearest first. Called by test_light_start.py.
"""

import json
import sys
from pathlib import Path
from typing import Any

import understage.cli

MOST = 6


class Witness:
    """A finder that finds nothing, and notes who looks for what."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.seen: dict[str, list[str]] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in self.names and name not in self.seen:
            self.seen[name] = _importers()

    def found(self) -> dict[str, list[str]]:
        return {name: self.seen.get(name, []) for name in self.names if sys.modules.get(name) is not None}


def _importers() -> list[str]:
    chain: list[str] = []
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__"))
        if not name.startswith(("importlib", "__main__")) and name not in chain:
            chain.append(name)
        frame = frame.f_back
    return chain[:MOST]


if __name__ == "__main__":
    _, file, names, *arguments = sys.argv
    witness = Witness(names.split(","))
    sys.meta_path.insert(0, witness)  # type: ignore[arg-type]
    sys.argv = ["understage", *arguments]
    understage.cli.main()
    Path(file).write_text(json.dumps(witness.found()))
