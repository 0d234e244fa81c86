"""An entity as it comes in, made ready for the store. Called by providers and by processing."""

import hashlib
from typing import Any

from understage.catalog.store.write_states import UnprocessedEntity
from understage.model.entity import Entity
from understage.model.ref import entity_ref
from understage.platform.json import dumps_sorted, dumps_text


def stable_hash(value: Any) -> str:
    """SHA-1 of a JSON value that does not depend on the order of keys."""
    return hashlib.sha1(dumps_sorted(value), usedforsecurity=False).hexdigest()


def make_unprocessed(entity: Entity, location_key: str | None) -> UnprocessedEntity:
    """The row of an entity with a valid envelope. Raises TypeError for what JSON has no form for."""
    return UnprocessedEntity(entity_ref(entity), dumps_text(entity), stable_hash(entity), location_key)
