"""The locations that were registered by API."""

from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.tables import locations

_COLUMNS = (locations.c.id, locations.c.type, locations.c.target, locations.c.location_entity_ref)


class LocationRow(NamedTuple):
    """A row of `locations`; `entity_ref` is the Location entity's."""

    id: str
    type: str
    target: str
    entity_ref: str


async def select_locations(connection: AsyncConnection) -> list[LocationRow]:
    """All, by id."""
    return [LocationRow(*row) for row in await connection.execute(select(*_COLUMNS).order_by(locations.c.id))]


async def select_location(connection: AsyncConnection, location_id: str) -> LocationRow | None:
    """One by id."""
    row = (await connection.execute(select(*_COLUMNS).where(locations.c.id == location_id))).first()
    return LocationRow(*row) if row else None


async def select_location_by_target(connection: AsyncConnection, type: str, target: str) -> LocationRow | None:
    """The one with exactly this type and target."""
    statement = select(*_COLUMNS).where(locations.c.type == type, locations.c.target == target)
    row = (await connection.execute(statement)).first()
    return LocationRow(*row) if row else None


async def insert_location(connection: AsyncConnection, row: LocationRow) -> None:
    """Insert; an existing type and target violate a constraint."""
    values = dict(zip((column.name for column in _COLUMNS), row, strict=True))
    await connection.execute(insert(locations).values(values))


async def update_location(connection: AsyncConnection, location_id: str, type: str, target: str) -> None:
    """Point a location elsewhere; its entity reference stays."""
    await connection.execute(update(locations).where(locations.c.id == location_id).values(type=type, target=target))


async def delete_location(connection: AsyncConnection, location_id: str) -> None:
    """Delete by id."""
    await connection.execute(delete(locations).where(locations.c.id == location_id))
