"""An entity as it comes in, made ready for the store. Called by providers and by processing."""

from understage.catalog.store.write_states import UnprocessedEntity
from understage.model.entity import Entity
from understage.model.hash import stable_hash
from understage.model.ref import entity_ref
from understage.platform.json import dumps_text


def make_unprocessed(entity: Entity, location_key: str | None) -> UnprocessedEntity:
    """The row of an entity with a valid envelope. Raises TypeError for what JSON has no form for."""
    return UnprocessedEntity(entity_ref(entity), dumps_text(entity), stable_hash(entity), location_key)
