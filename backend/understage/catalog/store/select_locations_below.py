"""Select the registered locations at some URLs, or at and below them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, is_sqlite, listed
from understage.catalog.store.locations import LocationRow

_COLUMNS = "id, type, target, location_entity_ref"


async def select_locations_at(connection: AsyncConnection, urls: Sequence[str]) -> list[LocationRow]:
    """Those of type `url` whose target is one of these."""
    statement = (
        f"SELECT {_COLUMNS} FROM locations WHERE type = 'url' AND target {among(connection, 'urls')} ORDER BY id"
    )
    rows = await connection.execute(text(statement), {"urls": listed(connection, urls)})
    return [LocationRow(*row) for row in rows]


async def select_locations_below(connection: AsyncConnection, base: str) -> list[LocationRow]:
    """Those of type `url` whose target is `base`, or begins with it and a slash."""
    starts = "substr(target, 1, length(:below)) = :below" if is_sqlite(connection) else "starts_with(target, :below)"
    statement = f"SELECT {_COLUMNS} FROM locations WHERE type = 'url' AND (target = :base OR {starts}) ORDER BY id"
    rows = await connection.execute(text(statement), {"base": base, "below": f"{base}/"})
    return [LocationRow(*row) for row in rows]
