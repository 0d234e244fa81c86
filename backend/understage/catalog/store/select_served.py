"""Select what a process keeps in memory of what is served (`query.served`): which entities, some of them, a key's values."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed


class ServedEntity(NamedTuple):
    """A final entity: its row id, uid, reference, JSON in UTF-8, and hash."""

    id: int
    uid: str
    ref: str
    body: bytes
    hash: str


Sums = tuple[int, int, int]


async def select_sums(connection: AsyncConnection) -> Sums:
    """Others than before if what is served has changed, whoever changed it; costs a look at every row."""
    statement = "SELECT count(*), coalesce(sum(entity_id), 0), coalesce(sum(last_updated_at), 0) FROM final_entities"
    row = (await connection.execute(text(statement))).one()
    return int(row[0]), int(row[1]), int(row[2])


async def select_hashes(connection: AsyncConnection) -> dict[int, tuple[str, int]]:
    """The hashes of all final entities and when each was written, in the database's milliseconds, by row id."""
    rows = await connection.execute(text("SELECT entity_id, hash, last_updated_at FROM final_entities"))
    return {id_: (hash_, at) for id_, hash_, at in rows}


async def select_written(connection: AsyncConnection, since: int, most: int) -> dict[int, int]:
    """When final entities were written, by row id: of those that were since then; at most so many."""
    statement = "SELECT entity_id, last_updated_at FROM final_entities WHERE last_updated_at >= :since LIMIT :most"
    rows = await connection.execute(text(statement), {"since": since, "most": most})
    return {id_: at for id_, at in rows}


async def select_served(connection: AsyncConnection, ids: Sequence[int]) -> list[ServedEntity]:
    """Those of the entities that are served."""
    statement = f"""
        SELECT entity_id, uid, entity_ref, final_entity, hash FROM final_entities
        WHERE entity_id {among(connection, "ids", "bigint")}
    """
    rows = await connection.execute(text(statement), {"ids": listed(connection, ids)})
    return [ServedEntity(id_, uid, ref, json.encode(), hash_) for id_, uid, ref, json, hash_ in rows]


async def select_column(connection: AsyncConnection, key: str, most: int) -> list[tuple[str | None, int]]:
    """(value, row id) of a key of the index, in no order; at most so many."""
    statement = "SELECT value, entity_id FROM search WHERE key = :key LIMIT :most"
    rows = await connection.execute(text(statement), {"key": key, "most": most})
    return [(value, entity_id) for value, entity_id in rows]


async def select_values(
    connection: AsyncConnection, ids: Sequence[int], keys: Collection[str]
) -> list[tuple[str, str | None, int]]:
    """(key, value, row id) of some entities for some keys of the index, in no order."""
    statement = f"""
        SELECT key, value, entity_id FROM search
        WHERE entity_id {among(connection, "ids", "bigint")} AND key {among(connection, "keys")}
    """
    parameters = {"ids": listed(connection, ids), "keys": listed(connection, list(keys))}
    rows = await connection.execute(text(statement), parameters)
    return [(key, value, entity_id) for key, value, entity_id in rows]
