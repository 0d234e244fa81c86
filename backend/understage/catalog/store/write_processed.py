"""Write what processing put out for a batch of entities."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, among, listed, now, select_time, update_rows

_BAD = {"result_hash": "text", "errors": "text", "cache": "text", "last_read_at": "bigint", "id": "bigint"}
_GOOD = {"processed_entity": "text", **_BAD}
_CACHE = {"cache": "text", "id": "bigint"}


async def write_processed(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (processed_entity, result_hash, errors, cache, id) of entities that now look like this."""
    await update_rows(connection, "refresh_state", _GOOD, await _timed(connection, rows))


async def write_errors(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (result_hash, errors, cache, id) of entities that failed: what they looked like before stays."""
    await update_rows(connection, "refresh_state", _BAD, await _timed(connection, rows))


async def write_caches(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (cache, id) of entities of which nothing else changed."""
    await update_rows(connection, "refresh_state", _CACHE, rows)


async def write_read_times(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """These were processed because somebody asked, and look as before."""
    if ids:
        statement = f"""
            UPDATE refresh_state SET last_read_at = {now(connection)} WHERE id {among(connection, "ids", "bigint")}
        """
        await connection.execute(text(statement), {"ids": listed(connection, sorted(ids))})


async def _timed(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    at = await select_time(connection) if rows else 0
    return [(*row[:-1], at, row[-1]) for row in rows]
