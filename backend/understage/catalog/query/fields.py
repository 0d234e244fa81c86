"""The `fields` projection: dotted paths, greedy over keys that hold dots themselves."""

from collections.abc import Iterable, Sequence
from typing import Any

from understage.errors import InputError

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
    """Walk both objects along one path; segments are joined until the source has such a key."""
    keys: list[str] = []
    start = 0
    for end in range(1, len(parts) + 1):
        key = ".".join(parts[start:end])
        if isinstance(source, dict) and key in source:
            source = source[key]
            keys.append(key)
            start = end
    if start != len(parts):
        return
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            return
    target[keys[-1]] = source
