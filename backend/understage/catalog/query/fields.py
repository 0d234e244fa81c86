"""The `fields` projection: dotted paths, greedy over keys that hold dots themselves."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from understage.errors import InputError

PLACE = re.compile(r"0|[1-9][0-9]{0,8}")

Projection = Sequence[Sequence[str]]


def parse_fields(fields: Iterable[str]) -> Projection:
    """The paths of all `fields` parameters or items, commas split; empty means: no projection.

    Raises InputError for a path into an array.
    """
    names = dict.fromkeys(name.strip() for item in fields for name in item.split(","))
    names.pop("", None)
    for name in names:
        if "[" in name:
            raise InputError(f'Invalid field "{name}", array type fields are not supported')
    return [name.split(".") for name in names]


def project(entity: dict[str, Any], projection: Projection) -> dict[str, Any]:
    """A new entity with the paths of the projection only, in its order; what is absent is left out."""
    result: dict[str, Any] = {}
    for parts in projection:
        _copy(entity, result, parts)
    return result


def _copy(source: Any, target: dict[str, Any], parts: Sequence[str]) -> None:
    """Walk both objects along one path; segments are joined until the source has such a key. Numbers are places in arrays."""
    keys: list[str | int] = []
    start = 0
    for end in range(1, len(parts) + 1):
        key = ".".join(parts[start:end])
        if isinstance(source, dict) and key in source:
            source = source[key]
            keys.append(key)
        elif isinstance(source, list) and PLACE.fullmatch(key) and int(key) < len(source):
            source = source[int(key)]
            keys.append(int(key))
        else:
            continue
        start = end
    if start == len(parts):
        _put(target, keys, source)


def _put(target: Any, keys: Sequence[str | int], value: Any) -> None:
    """Set what lies along the keys; an array grows to hold a place, null where nothing was asked for."""
    for key, following in pairwise(keys):
        inner = _get(target, key)
        if not isinstance(inner, dict | list):
            inner = [] if isinstance(following, int) else {}
            _set(target, key, inner)
        target = inner
    _set(target, keys[-1], value)


def _get(target: Any, key: str | int) -> Any:
    if isinstance(target, list):
        return target[key] if isinstance(key, int) and key < len(target) else None
    return target.get(key)


def _set(target: Any, key: str | int, value: Any) -> None:
    if isinstance(target, list) and isinstance(key, int):
        target.extend([None] * (key + 1 - len(target)))
    target[key] = value
