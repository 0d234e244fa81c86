"""Write what processing put out for a batch of entities."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, update_rows

_GOOD = {"processed_entity": "text", "result_hash": "text", "errors": "text", "cache": "text", "id": "bigint"}
_BAD = {"result_hash": "text", "errors": "text", "cache": "text", "id": "bigint"}
_CACHE = {"cache": "text", "id": "bigint"}


async def write_processed(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (processed_entity, result_hash, errors, cache, id) of entities that now look like this."""
    await update_rows(connection, "refresh_state", _GOOD, rows)


async def write_errors(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (result_hash, errors, cache, id) of entities that failed: what they looked like before stays."""
    await update_rows(connection, "refresh_state", _BAD, rows)


async def write_caches(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows (cache, id) of entities of which nothing else changed."""
    await update_rows(connection, "refresh_state", _CACHE, rows)
