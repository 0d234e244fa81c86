"""Values files of environments: which images they name, and how they are changed. Pure; promotion and rollback call it.

An environment's values lie over those that the chart's `values.yaml` says for all, so what runs is what both say together.
Changes keep comments and order, so that a pull request shows the lines that matter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from understage.sdk import InputError
from understage.sdk.yaml import parse_document
from understage_actions._commented_yaml import merge_keeping_comments

Json = dict[str, Any]
Path = tuple[str, ...]

IMAGE, IDENTITY = "image", ("tag", "digest")
VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,127}")


def read_values(text: bytes | None, what: str) -> Json:
    """The map in a values file; empty for one that is not there. InputError, with line and column, for what is none."""
    value = parse_document(text, what).value if text else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{what} must be a map of values")
    return value


def laid_over(base: Json, values: Json) -> Json:
    """`values` over `base`, as Helm lays them: maps merge, all else replaces, null takes away."""
    merged = dict(base)
    for key, value in values.items():
        below = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = laid_over(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def images_in(values: Json) -> dict[Path, Any]:
    """Tag and digest of every `image`, by path. InputError for one that no registry would have."""
    found = dict(_images(values, ()))
    for path, version in found.items():
        if not isinstance(version, str | int | float) or not VERSION.fullmatch(str(version)):
            raise InputError(f"{'.'.join(path)} {str(version)[:80]!r} is neither a tag nor a digest of an image")
    return found


def value_at(values: Json, path: Sequence[str]) -> Any:
    """The value at `path`, or None."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def differences(wanted: Mapping[Path, Any], known: Mapping[Path, Any]) -> dict[Path, Any]:
    """What to set so that `known` becomes `wanted`; None for what must go, such as a digest that a tag takes the place of."""
    changed = {path: value for path, value in wanted.items() if known.get(path) != value}
    return changed | {path: None for path in known if path not in wanted}


def changed_text(text: bytes, changes: Mapping[Path, Any]) -> str:
    """The values file with `changes`, comments kept."""
    content: Json = {}
    for path, value in changes.items():
        node = content
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return merge_keeping_comments(text, 0, content, merge_arrays=False)


def _images(node: Json, path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in node.items():
        if not isinstance(value, dict):
            continue
        if key == IMAGE:
            yield from (((*path, key, part), value[part]) for part in IDENTITY if value.get(part) not in (None, ""))
        yield from _images(value, (*path, key))
