"""Write final entities and their search rows, touching only what differs."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, among, delete_ids, insert_rows, listed, now

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
_SEARCH = {"entity_id": "bigint", "key": "text", "value": "text", "original_value": "text"}


async def write_final(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (entity_id, uid, entity_ref, final_entity, hash); those that exist are replaced."""
    at = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
    await insert_rows(
        connection,
        "final_entities",
        _FINAL,
        [(*row, at) for row in rows],
        on_conflict="""ON CONFLICT (entity_id) DO UPDATE SET final_entity = excluded.final_entity,
            hash = excluded.hash, last_updated_at = excluded.last_updated_at""",
    )


async def insert_search(connection: AsyncConnection, values: Mapping[int, Collection[SearchValue]]) -> None:
    """Index entities (by row id) that are not in the index yet."""
    rows = [(entity_id, *value) for entity_id, entity_values in values.items() for value in entity_values]
    await insert_rows(connection, "search", _SEARCH, rows)


async def replace_search(connection: AsyncConnection, values: Mapping[int, Collection[SearchValue]]) -> None:
    """Index entities (by row id) that may be in the index already."""
    if not values:
        return
    statement = f"""
        SELECT id, entity_id, key, value, original_value FROM search
        WHERE entity_id {among(connection, "ids", "bigint")}
    """
    wanted = {entity_id: set(entity_values) for entity_id, entity_values in values.items()}
    gone: list[int] = []
    for row in await connection.execute(text(statement), {"ids": listed(connection, list(values))}):
        value: SearchValue = (row.key, row.value, row.original_value)
        # A second row of the same value is one too many.
        if value in wanted[row.entity_id]:
            wanted[row.entity_id].remove(value)
        else:
            gone.append(row.id)
    await delete_ids(connection, "search", "id", gone)
    await insert_search(connection, wanted)
