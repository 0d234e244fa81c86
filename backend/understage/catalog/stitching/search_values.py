"""The search index of one final entity: its leaves, lower-cased, as Backstage catalog-backend 4.0.0 builds them."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from understage.catalog.store.write_final import SearchValue
from understage.errors import InputError
from understage.model.entity import Entity
from understage.model.ref import DEFAULT_NAMESPACE, LONGEST_REMEMBERED

LONGEST_KEY = 200
LONGEST_VALUE = 200
# PostgreSQL stores none.
NUL = "\0"
_SKIPPED = frozenset(
    ("attachments", "relations", "status", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.etag")
)

Rows = dict[tuple[str, str | None], SearchValue]
"""By key and lower-case value; of several writings of a value the first is kept."""


def search_values(entity: Entity, relations: Sequence[tuple[str, str]]) -> list[SearchValue]:
    """The rows of an entity; `relations` are (type, target).

    Raises InputError when two keys differ only in case: the index could not tell them apart.
    """
    walk = _Walk()
    walk.members("", entity)
    metadata = entity["metadata"]
    walk.leaf("metadata.name", metadata["name"])
    walk.leaf("metadata.namespace", metadata.get("namespace") or DEFAULT_NAMESPACE)
    walk.leaf("metadata.uid", metadata["uid"])
    for type_, target in relations:
        walk.leaf(f"relations.{type_}", target)
    return list(walk.rows.values())


class _Walk:
    """Collects the rows of one entity. Thirty a component, ten thousand components a first ingestion: every step counts."""

    __slots__ = ("_spelled", "rows")

    def __init__(self) -> None:
        self.rows: Rows = {}
        self._spelled: dict[str, str] = {}

    def members(self, prefix: str, value: dict[str, Any]) -> None:
        for name, item in value.items():
            path = prefix + name
            if path in _SKIPPED:
                continue
            if isinstance(item, dict):
                self.members(path + ".", item)
            elif isinstance(item, list):
                self.items(path, item)
            else:
                self.leaf(path, item)

    def items(self, path: str, value: list[Any]) -> None:
        for item in value:
            if isinstance(item, str):
                self.leaf(path, item)
                # The `true` of `metadata.tags.java`: such keys are values, and may differ in case.
                key = _key(f"{path}.{item}")
                if len(key) <= LONGEST_KEY:
                    self.rows.setdefault((key, "true"), (key, "true", "true"))
            elif isinstance(item, dict):
                self.members(path + ".", item)
            elif isinstance(item, list):
                self.items(path, item)
            else:
                self.leaf(path, item)

    def leaf(self, path: str, value: Any) -> None:
        key = _known_key(path) if len(path) <= LONGEST_REMEMBERED else _key(path)
        if self._spelled.setdefault(key, path) != path:
            raise _spelled_twice(path)
        if len(key) > LONGEST_KEY:
            return
        text = value if type(value) is str else _text(value)
        if text is None or len(text) > LONGEST_VALUE:
            self.rows.setdefault((key, None), (key, None, None))
            return
        if NUL in text:
            text = text.replace(NUL, "")
        lowered = text.lower()
        self.rows.setdefault((key, lowered), (key, lowered, text))


def _spelled_twice(path: str) -> InputError:
    return InputError(f"Entity has duplicate keys that vary only in casing, '{path}'")


def _key(path: str) -> str:
    key = path.lower()
    return key.replace(NUL, "") if NUL in key else key


# Entities of a kind have their paths in common.
_known_key = lru_cache(maxsize=4096)(_key)


def _text(value: Any) -> str | None:
    if value is None:
        return None
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
