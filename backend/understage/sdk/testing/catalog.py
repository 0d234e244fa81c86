"""The catalog, in memory."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.errors import ConflictError, InputError


def _ref(entity: Mapping[str, Any]) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()


@dataclass
class FakeCatalog:
    """A catalog of given entities. `reachable` tells which entities a location's target leads to.

    `locations` are the targets registered so far. A dry run of an unknown target fails as the catalog does.
    """

    entities: Iterable[Mapping[str, Any]] = ()
    reachable: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    locations: list[str] = field(default_factory=list)

    async def get_entities(self, refs: Sequence[str]) -> list[dict[str, Any] | None]:
        """Entities in the order of `refs`; None where absent."""
        known = {_ref(entity): dict(entity) for entity in self.entities}
        return [known.get(ref.lower()) for ref in refs]

    async def add_location(self, target: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Register `target`. Raises ConflictError when it is registered, InputError for a dry run of an unknown target."""
        digest = hashlib.sha1(f"url:{target}".encode(), usedforsecurity=False).hexdigest()
        location = {"id": digest, "type": "url", "target": target, "entityRef": f"location:default/generated-{digest}"}
        if dry_run:
            if target not in self.reachable:
                raise InputError(f"NotFoundError: Unable to read url, no matching files found for {target}")
            return {
                "location": location,
                "entities": self.reachable[target],
                "exists": target in self.locations,
            }
        if target in self.locations:
            raise ConflictError(f"Location url:{target} already exists")
        self.locations.append(target)
        return {"location": location, "entities": []}

    async def remove_location(self, target: str) -> bool:
        """Unregister `target`; False when it is not registered."""
        if target not in self.locations:
            return False
        self.locations.remove(target)
        return True
