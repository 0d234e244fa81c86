"""Select the way from an entity up to its root, one parent a level, to refresh what it came from."""

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.references import select_references
from understage.errors import NotFoundError

DEEPEST = 32


async def select_refresh_chain(connection: AsyncConnection, ref: str) -> list[str]:
    """The ancestors of an entity, nearest first.

    Raises NotFoundError for an entity that does not exist, and for one that nobody emits (an orphan).
    """
    chain: list[str] = []
    current = ref
    for _ in range(DEEPEST):
        edges = await select_references(connection, targets=[current])
        if not edges:
            if not chain:
                raise NotFoundError(f"Entity {ref} not found")
            raise NotFoundError(f"Entity {ref} has a broken parent reference chain at {current}")
        parent = next((edge.source_ref for edge in edges if edge.source_ref is not None), None)
        if parent is None or any(edge.source_key is not None for edge in edges):
            return chain
        chain.append(parent)
        current = parent
    return chain
