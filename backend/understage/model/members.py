"""Careful looks into JSON values from outside, whose members may be anything: manifests, webhooks, settings."""

from collections.abc import Iterator, Mapping
from typing import Any


def member_at(value: Any, *path: str) -> Any:
    """What stands at a path of members; None where there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def map_at(value: Any, *path: str) -> dict[str, Any]:
    """The map at a path, or an empty one. With no path, the value itself."""
    found = member_at(value, *path)
    return found if isinstance(found, dict) else {}


def list_at(value: Any, *path: str) -> list[Any]:
    """The list at a path, or an empty one. With no path, the value itself."""
    found = member_at(value, *path)
    return found if isinstance(found, list) else []


def objects_in(manifest: Any) -> Iterator[dict[str, Any]]:
    """The objects of a manifest: the members of lists (`List`, `ConfigMapList` …) at any depth, or what was given.

    What is no map is left out; see `members_of`.
    """
    return (item for item in members_of(manifest) if isinstance(item, dict))


def members_of(manifest: Any) -> Iterator[Any]:
    """As `objects_in`, with members that are no maps, for those who refuse them."""
    items = manifest.get("items") if isinstance(manifest, dict) else None
    if isinstance(items, list) and str(manifest.get("kind", "")).endswith("List"):
        for item in items:
            yield from members_of(item)
    else:
        yield manifest
