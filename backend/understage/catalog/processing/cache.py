"""What processors keep for an entity from round to round; implements `sdk.processor.Cache`.

Stored as `{"ttl": n, "cache": {processor: {key: value}}}`: each failed round counts the ttl down, at zero it is forgotten.
"""

from typing import Any

from understage.platform.json import dumps_text, loads

ROUNDS = 5

Values = dict[str, dict[str, Any]]


class EntityCache:
    """The cache of one entity, split by processor."""

    def __init__(self, stored: str | None) -> None:
        self._stored = stored
        content = loads(stored) if stored else {}
        self._ttl: int = content.get("ttl", ROUNDS)
        self._values: Values = content.get("cache", {})
        self._parts: dict[str, ProcessorCache] = {}

    def of(self, processor: str) -> "ProcessorCache":
        """The part of one processor."""
        if processor not in self._parts:
            self._parts[processor] = ProcessorCache(self._values.get(processor))
        return self._parts[processor]

    def to_store(self, *, ok: bool) -> str | None:
        """The text to be stored after a round; None for nothing."""
        if not ok:
            if self._stored is None or self._ttl <= 1:
                return None
            return dumps_text({"ttl": self._ttl - 1, "cache": self._values})
        values: Values = {name: part.values for name, part in self._parts.items() if part.values}
        if not values:
            return None
        if values == self._values and self._ttl == ROUNDS:
            return self._stored
        return dumps_text({"ttl": ROUNDS, "cache": values})


class ProcessorCache:
    """One processor's values for one entity."""

    def __init__(self, before: dict[str, Any] | None) -> None:
        self._before = before
        self._after: dict[str, Any] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What is to be kept."""
        return (self._before or {}) if self._after is None else self._after

    def get(self, key: str) -> Any:
        """See `Cache`."""
        return (self._before or {}).get(key)

    def set(self, key: str, value: Any) -> None:
        """See `Cache`."""
        if self._after is None:
            self._after = {}
        self._after[key] = value
