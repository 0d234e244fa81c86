"""The catalog as somebody may see it, for routes that tell something about an entity. `app` implements it."""

from typing import Protocol

from understage.errors import NotFoundError
from understage.identity.credentials import Credentials
from understage.model.entity import Entity


class CatalogReader(Protocol):
    """Entities, by the rights of the caller."""

    async def readable(self, refs: list[str], credentials: Credentials) -> list[Entity]:
        """The entities among `refs` that the caller may read."""


async def read_entity(catalog: CatalogReader, ref: str, credentials: Credentials) -> Entity:
    """The entity. NotFoundError, the same for those who may not know that it is there."""
    found = await catalog.readable([ref], credentials)
    if not found:
        raise NotFoundError(f"There is no entity {ref}, or you may not read it")
    return found[0]
