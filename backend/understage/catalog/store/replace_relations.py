"""Replace the relations that a batch of entities emitted, touching only what differs."""

from collections.abc import Collection, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, insert_rows, is_sqlite, listed, table_of
from understage.model.relation import Relation
from understage.platform.json import dumps_text

_TYPES = {"originating_entity_id": "bigint", "source_entity_ref": "text", "type": "text", "target_entity_ref": "text"}
_CONDITION = " AND ".join(f"relations.{column} = given.{column}" for column in _TYPES)


async def replace_relations(connection: AsyncConnection, emitted: Mapping[int, Collection[Relation]]) -> set[str]:
    """Make these the relations of their originating entities (by row id); returns the sources of all that changed."""
    stored: dict[int, set[Relation]] = {}
    statement = f"""
        SELECT originating_entity_id, source_entity_ref, type, target_entity_ref FROM relations
        WHERE originating_entity_id {among(connection, "ids", "bigint")}
    """
    for row in await connection.execute(text(statement), {"ids": listed(connection, list(emitted))}):
        stored.setdefault(row[0], set()).add(Relation(*row[1:]))
    added: list[tuple[int, Relation]] = []
    removed: list[tuple[int, Relation]] = []
    for row_id, relations in emitted.items():
        before, after = stored.get(row_id, set()), set(relations)
        added.extend((row_id, relation) for relation in sorted(after - before))
        removed.extend((row_id, relation) for relation in sorted(before - after))
    await _delete(connection, removed)
    rows = [dict(zip(_TYPES, (row_id, *relation), strict=True)) for row_id, relation in added]
    await insert_rows(connection, "relations", _TYPES, rows)
    return {relation.source for _, relation in [*added, *removed]}


async def _delete(connection: AsyncConnection, removed: list[tuple[int, Relation]]) -> None:
    if not removed:
        return
    if is_sqlite(connection):
        conditions = " AND ".join(f"{column} = ?" for column in _TYPES)
        values = [(row_id, *relation) for row_id, relation in removed]
        await connection.exec_driver_sql(f"DELETE FROM relations WHERE {conditions}", values)
        return
    rows = [dict(zip(_TYPES, (row_id, *relation), strict=True)) for row_id, relation in removed]
    statement = f"DELETE FROM relations USING {table_of(connection, 'rows', _TYPES)} given WHERE {_CONDITION}"
    await connection.execute(text(statement), {"rows": dumps_text(rows)})
