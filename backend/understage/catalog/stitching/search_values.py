"""The search index of one final entity: its leaves, lower-cased, as Backstage catalog-backend 4.0.0 builds them."""

import math
from collections.abc import Sequence
from typing import Any

from understage.catalog.store.write_final import SearchValue
from understage.errors import InputError
from understage.model.entity import Entity
from understage.model.ref import DEFAULT_NAMESPACE

LONGEST_KEY = 200
LONGEST_VALUE = 200
# PostgreSQL stores none.
NUL = "\0"
_SKIPPED = frozenset(
    ("attachments", "relations", "status", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.etag")
)

Leaf = tuple[str, Any]
# Stands for the `true` of `metadata.tags.java`: such keys are values, and may differ in case.
_MEMBER = object()


def search_values(entity: Entity, relations: Sequence[tuple[str, str]]) -> list[SearchValue]:
    """The rows of an entity; `relations` are (type, target).

    Raises InputError when two keys differ only in case: the index could not tell them apart.
    """
    leaves: list[Leaf] = []
    _walk_members("", entity, leaves)
    metadata = entity["metadata"]
    leaves.append(("metadata.name", metadata["name"]))
    leaves.append(("metadata.namespace", metadata.get("namespace") or DEFAULT_NAMESPACE))
    leaves.append(("metadata.uid", metadata["uid"]))
    leaves.extend((f"relations.{type_}", target) for type_, target in relations)
    return _index(leaves)


def _walk_members(prefix: str, value: dict[str, Any], leaves: list[Leaf]) -> None:
    for key, item in value.items():
        path = prefix + key
        if path in _SKIPPED:
            continue
        if isinstance(item, dict):
            _walk_members(path + ".", item, leaves)
        elif isinstance(item, list):
            _walk_items(path, item, leaves)
        else:
            leaves.append((path, item))


def _walk_items(path: str, value: list[Any], leaves: list[Leaf]) -> None:
    for item in value:
        if isinstance(item, str):
            leaves.append((path, item))
            leaves.append((f"{path}.{item}", _MEMBER))
        elif isinstance(item, dict):
            _walk_members(path + ".", item, leaves)
        elif isinstance(item, list):
            _walk_items(path, item, leaves)
        else:
            leaves.append((path, item))


def _index(leaves: Sequence[Leaf]) -> list[SearchValue]:
    spelled: dict[str, str] = {}
    rows: dict[tuple[str, str | None], SearchValue] = {}
    for path, value in leaves:
        key = path.lower()
        if NUL in key:
            key = key.replace(NUL, "")
        if value is not _MEMBER and spelled.setdefault(key, path) != path:
            raise InputError(f"Entity has duplicate keys that vary only in casing, '{path}'")
        if len(key) > LONGEST_KEY:
            continue
        text = value if type(value) is str else _text(value)
        if text is None or len(text) > LONGEST_VALUE:
            rows.setdefault((key, None), (key, None, None))
            continue
        if NUL in text:
            text = text.replace(NUL, "")
        lowered = text.lower()
        place = (key, lowered)
        if place not in rows:
            rows[place] = (key, lowered, text)
    return list(rows.values())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if value is _MEMBER:
        return "true"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def number_text(value: float) -> str | None:
    """A number as JavaScript's `String()` writes it; None for what JSON has no number for."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        mantissa, exponent, power = repr(value).partition("e")
        if not exponent:
            return mantissa
        number = int(power)
        if -7 < number < 0:
            return f"{value:.{len(mantissa.replace('.', '').lstrip('-')) - 1 - number}f}"
        return f"{mantissa}e{'+' if number > 0 else '-'}{abs(number)}"
    return str(value)
