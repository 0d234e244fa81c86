"""Laying one configuration over another; called by `sources` for each file in order."""

from collections.abc import Iterable, Mapping
from typing import Any


def merge(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One configuration from several, later ones win.

    Objects merge key by key; arrays and scalars replace what was there; null removes the key.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _lay_over(merged, layer)
    return merged


def _lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            under = below.get(key)
            result[key] = _lay_over(under if isinstance(under, Mapping) else {}, value)
        else:
            result[key] = value
    return result
