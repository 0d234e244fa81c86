"""Select the parents of an entity, level by level."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.select_by_refs import select_by_refs
from understage.catalog.store.tables import references

DEEPEST = 64


async def select_ancestry(
    connection: AsyncConnection, ref: str, predicate: Predicate
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """JSON of the entity and all its ancestors that match, and the parents of each, by reference.

    What lies above an ancestor that does not match is left out too. Both are empty when the entity itself is not there.
    """
    entities: dict[str, str] = {}
    parents: dict[str, list[str]] = {}
    level = [ref]
    for _ in range(DEEPEST):
        found = await select_by_refs(connection, level, predicate)
        entities.update(found)
        if not found:
            break
        statement = select(references.c.target_entity_ref, references.c.source_entity_ref).where(
            references.c.target_entity_ref.in_(list(found)), references.c.source_entity_ref.is_not(None)
        )
        for child, parent in await connection.execute(statement.order_by(references.c.id)):
            known = parents.setdefault(child, [])
            if parent not in known:
                known.append(parent)
        level = [parent for child in found for parent in parents.get(child, []) if parent not in entities]
    return entities, parents
