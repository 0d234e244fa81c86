"""Layers of values, merged as Helm merges values files, with a record of which layer set what.

Called by `helm:render-values`; `_helm_schema` uses the record to name the layer of a wrong value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from understage_actions._helm_chart import merge

Json = dict[str, Any]
Path = tuple[str, ...]
DEFAULTS = "chart defaults"


@dataclass(frozen=True)
class Layer:
    """Values of one origin. `label` names it for people: `base values`, `overlay production`, `inline values`."""

    label: str
    values: Json


class Layers:
    """Merged layers, lowest first. `values` is what a values file holds: nulls only where they delete a default."""

    def __init__(self, layers: Sequence[Layer], defaults: Json) -> None:
        self._origins: dict[Path, str] = {}
        merged: Json = {}
        for layer in layers:
            self._record(layer.label, layer.values, ())
            merged = merge(merged, layer.values)
        self.values = self._without_idle_nulls(merged, defaults, ())

    def sources(self) -> dict[str, str]:
        """Layer label by dotted path, for every leaf of `values`, sorted by path."""
        return {format_path(path): label for path, label in sorted(self._origins.items())}

    def origin(self, path: Sequence[str | int]) -> str:
        """Label of the layer that set the value at `path`, the nearest one above or below it; else the chart."""
        keys = tuple(str(part) for part in path)
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._origins:
                return self._origins[keys[:length]]
        below = [label for known, label in self._origins.items() if known[: len(keys)] == keys]
        return below[-1] if below else DEFAULTS

    def _record(self, label: str, value: Any, path: Path) -> None:
        if isinstance(value, dict) and value:
            self._origins.pop(path, None)
            for key, inner in value.items():
                self._record(label, inner, (*path, key))
            return
        if isinstance(value, dict) and any(known[: len(path)] == path for known in self._origins):
            return  # an empty map merges nothing into the map that is there
        self._forget(path)
        if path:
            self._origins[path] = label

    def _forget(self, path: Path) -> None:
        for known in [known for known in self._origins if known[: len(path)] == path]:
            del self._origins[known]

    def _without_idle_nulls(self, values: Json, defaults: Any, path: Path) -> Json:
        kept: Json = {}
        below = defaults if isinstance(defaults, dict) else {}
        for key, value in values.items():
            if value is None and key not in below:
                self._forget((*path, key))
            elif isinstance(value, dict):
                kept[key] = self._without_idle_nulls(value, below.get(key), (*path, key))
            else:
                kept[key] = value
        return kept


def format_path(path: Sequence[str | int]) -> str:
    """`a.b[0]["c.d"]`: dotted, with brackets where a dot would mislead."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
