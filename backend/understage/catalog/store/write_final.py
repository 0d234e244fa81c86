"""Write final entities and their search rows, touching only what differs."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import (
    Row,
    among,
    delete_rows,
    insert_lines,
    insert_rows,
    is_sqlite,
    listed,
    select_time,
    update_rows,
)

SearchValue = tuple[str, str | None, str | None]
"""One row of the search index: the key, the lower-case value and the value as written."""

_FINAL = {
    "entity_id": "bigint",
    "uid": "text",
    "entity_ref": "text",
    "final_entity": "text",
    "hash": "text",
    "last_updated_at": "bigint",
}
_SEARCH = {"entity_id": "bigint", "key": "text", "value": "text", "original_value": "text", "kind": "text"}
_NUMBERED = {"id": "bigint", **_SEARCH}


async def lock_final(connection: AsyncConnection, ids: Collection[int]) -> dict[int, bool]:
    """Those of the entities (by row id) that still exist, and whether they are served already.

    They exist until the transaction ends: nobody else keeps what is written about an entity from outliving it.
    """
    locking = "" if is_sqlite(connection) else " FOR KEY SHARE OF s"
    statement = f"""
        SELECT s.id, f.entity_id FROM refresh_state s LEFT JOIN final_entities f ON f.entity_id = s.id
        WHERE s.id {among(connection, "ids", "bigint")} ORDER BY s.id{locking}
    """
    rows = await connection.execute(text(statement), {"ids": listed(connection, sorted(ids))})
    return {row[0]: row[1] is not None for row in rows}


async def insert_final(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (entity_id, uid, entity_ref, final_entity, hash) of entities that were not served before."""
    at = await select_time(connection)
    await insert_rows(connection, "final_entities", _FINAL, [(*row, at) for row in rows])


async def update_final(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (final_entity, hash, entity_id) of entities that are served already."""
    at = await select_time(connection)
    types = {name: _FINAL[name] for name in ("last_updated_at", "final_entity", "hash", "entity_id")}
    await update_rows(connection, "final_entities", types, [(at, *row) for row in rows])


Indexed = Mapping[tuple[int, str], Collection[SearchValue]]
"""The values of entities, by row id and kind (lower case)."""


async def insert_search(connection: AsyncConnection, values: Indexed) -> None:
    """Index entities that are not in the index yet."""
    rows: list[Row] = []
    if not is_sqlite(connection):
        # PostgreSQL's index takes neighbours faster than rows from here and there. Nothing looks at the number of a row, which
        # is unique on SQLite alone; drawing it from the sequence costs as much as a third of the rest.
        by_key: dict[str, list[str]] = {}
        for (entity_id, kind), entity_values in values.items():
            first, last = f"0\t{entity_id}", f"\t{kind}"
            for key, value, original in entity_values:
                if value is None:
                    rows.append((0, entity_id, key, value, original, kind))
                elif key in by_key:
                    by_key[key].append(f"{first}\t{key}\t{value}\t{original}{last}")
                else:
                    by_key[key] = [f"{first}\t{key}\t{value}\t{original}{last}"]
        if await insert_lines(connection, "search", _NUMBERED, [line for lines in by_key.values() for line in lines]):
            await insert_rows(connection, "search", _NUMBERED, rows)
            return
    number = () if is_sqlite(connection) else (0,)
    rows = [(*number, id_, *value, kind) for (id_, kind), entity_values in values.items() for value in entity_values]
    await insert_rows(connection, "search", _NUMBERED if number else _SEARCH, rows)


async def replace_search(connection: AsyncConnection, values: Indexed) -> None:
    """Index entities that may be in the index already."""
    if not values:
        return
    statement = f"""
        SELECT entity_id, key, value, original_value FROM search WHERE entity_id {among(connection, "ids", "bigint")}
    """
    stored: dict[int, list[SearchValue]] = {entity_id: [] for entity_id, _ in values}
    for row in await connection.execute(text(statement), {"ids": listed(connection, list(stored))}):
        stored[row.entity_id].append((row.key, row.value, row.original_value))
    wanted: dict[tuple[int, str], set[SearchValue]] = {}
    gone: set[tuple[int, str]] = set()
    for (entity_id, kind), entity_values in values.items():
        before, after = stored[entity_id], set(entity_values)
        # A key is replaced whole: rows have no number of their own, and null values cannot be compared.
        changed = {value[0] for value in after.symmetric_difference(before)}
        if len(before) != len(set(before)):
            changed |= {value[0] for value in before}
        gone |= {(entity_id, value[0]) for value in before if value[0] in changed}
        wanted[entity_id, kind] = {value for value in after if value[0] in changed}
    await delete_rows(connection, "search", {"entity_id": "bigint", "key": "text"}, sorted(gone))
    await insert_search(connection, wanted)
