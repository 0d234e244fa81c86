"""Select all that the final forms of a batch of entities are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed
from understage.catalog.store.replace_relations import select_relations


@dataclass(slots=True)
class StitchInput:
    """One entity: what processing made of it, and what others say about it. JSON columns are still text."""

    id: int
    uid: str
    entity_ref: str
    processed_entity: str | None
    errors: str
    final_hash: str | None
    is_orphan: bool
    relations: list[tuple[str, str]] = field(default_factory=list)
    """Type and target, distinct and in the order of the wire."""

    @property
    def key(self) -> tuple[int, str]:
        """The row id and the kind, by which the search index knows it."""
        return self.id, self.entity_ref.partition(":")[0]


async def select_stitch_inputs(connection: AsyncConnection, refs: Sequence[str]) -> list[StitchInput]:
    """The inputs of those of `refs` that exist."""
    parameters = {"refs": listed(connection, refs)}
    statement = f"""
        SELECT s.id, s.uid, s.entity_ref, s.processed_entity, s.errors, f.hash,
               NOT EXISTS (SELECT 1 FROM refresh_state_references r WHERE r.target_entity_ref = s.entity_ref) AS is_orphan
        FROM refresh_state s LEFT JOIN final_entities f ON f.entity_id = s.id
        WHERE s.entity_ref {among(connection, "refs")} ORDER BY s.id
    """
    inputs = [
        StitchInput(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]))
        for row in await connection.execute(text(statement), parameters)
    ]
    by_ref = {item.entity_ref: item for item in inputs}
    # A team that nobody has may be said to own ten thousand.
    for source, type_, target in await select_relations(connection, list(by_ref)):
        by_ref[source].relations.append((type_, target))
    for item in inputs:
        item.relations.sort()
    return inputs
