"""Replace the relations that a batch of entities emitted, touching only what differs."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, among, delete_rows, insert_rows, listed
from understage.model.relation import Relation

_TYPES = {"originating_entity_id": "bigint", "source_entity_ref": "text", "type": "text", "target_entity_ref": "text"}


async def insert_relations(connection: AsyncConnection, emitted: Mapping[int, Collection[Relation]]) -> None:
    """The relations of entities that have none yet."""
    rows: list[Row] = [(row_id, *relation) for row_id, relations in emitted.items() for relation in sorted(relations)]
    await insert_rows(connection, "relations", _TYPES, rows)


async def select_relations(connection: AsyncConnection, refs: Sequence[str]) -> list[Relation]:
    """All relations whose source is among `refs`, whoever emitted them; each once."""
    if not refs:
        return []
    statement = f"""
        SELECT DISTINCT source_entity_ref, type, target_entity_ref FROM relations
        WHERE source_entity_ref {among(connection, "refs")}
    """
    return [Relation(*row) for row in await connection.execute(text(statement), {"refs": listed(connection, refs)})]


async def replace_relations(connection: AsyncConnection, emitted: Mapping[int, Collection[Relation]]) -> set[str]:
    """Make these the relations of their originating entities (by row id); returns the sources of all that changed."""
    stored: dict[int, set[Relation]] = {}
    statement = f"""
        SELECT originating_entity_id, source_entity_ref, type, target_entity_ref FROM relations
        WHERE originating_entity_id {among(connection, "ids", "bigint")}
    """
    for row in await connection.execute(text(statement), {"ids": listed(connection, list(emitted))}):
        stored.setdefault(row[0], set()).add(Relation(*row[1:]))
    added: list[Row] = []
    removed: list[Row] = []
    for row_id, relations in emitted.items():
        before, after = stored.get(row_id, set()), set(relations)
        added.extend((row_id, *relation) for relation in sorted(after - before))
        removed.extend((row_id, *relation) for relation in sorted(before - after))
    await delete_rows(connection, "relations", _TYPES, removed)
    await insert_rows(connection, "relations", _TYPES, added)
    return {row[1] for row in [*added, *removed]}
