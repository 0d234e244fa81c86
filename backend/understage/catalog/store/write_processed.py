"""Write what processing put out for a batch of entities."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, update_rows

_GOOD = {"id": "bigint", "processed_entity": "text", "result_hash": "text", "errors": "text", "cache": "text"}
_BAD = {"id": "bigint", "result_hash": "text", "errors": "text", "cache": "text"}
_CACHE = {"id": "bigint", "cache": "text"}


async def write_processed(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows `{id, processed_entity, result_hash, errors, cache}` of entities that now look like this."""
    await update_rows(connection, "refresh_state", "id", _GOOD, rows)


async def write_errors(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows `{id, result_hash, errors, cache}` of entities that failed: what they looked like before stays."""
    await update_rows(connection, "refresh_state", "id", _BAD, rows)


async def write_caches(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Rows `{id, cache}` of entities of which nothing else changed."""
    await update_rows(connection, "refresh_state", "id", _CACHE, rows)
