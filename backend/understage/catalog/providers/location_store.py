"""The locations that were registered by API: a table, and the provider of their Location entities.

Called by `catalog.ingestion`. A change of the table and the mutation that follows from it are one transaction.
"""

import hashlib
import uuid
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.location_entity import location_name, make_location_entity
from understage.catalog.providers.mutation import apply_delta, replace_all
from understage.catalog.store.locations import (
    LocationRow,
    delete_location,
    insert_location,
    select_location,
    select_location_by_target,
    select_locations,
    update_location,
)
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.schedule import schedule_refs
from understage.catalog.store.write_states import UnprocessedEntity
from understage.catalog.unprocessed import make_unprocessed
from understage.errors import ConflictError, NotFoundError
from understage.model.ref import LocationRef
from understage.platform.database import Database
from understage.sdk.provider import ProviderConnection


class LocationStore:
    """Registered locations; `wake` tells the loops that there is work."""

    name = "DefaultLocationStore"

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake

    async def connect(self, connection: ProviderConnection) -> None:
        """Give the entities of all registered locations."""

        async def give_all(write: AsyncConnection) -> None:
            rows = [entity_of(row) for row in await select_locations(write)]
            await replace_all(write, self.name, rows)

        await write_with_retry(self._database, give_all)

    async def list_all(self) -> list[LocationRow]:
        """All, those of the internal type `bootstrap` left out, by id."""
        async with self._database.read() as connection:
            return [row for row in await select_locations(connection) if row.type != "bootstrap"]

    async def find(self, location: LocationRef) -> LocationRow | None:
        """The one with exactly this type and target."""
        async with self._database.read() as connection:
            return await select_location_by_target(connection, location.type, location.target)

    async def get(self, location_id: str) -> LocationRow:
        """One by id. Raises NotFoundError."""
        async with self._database.read() as connection:
            return _found(await select_location(connection, location_id), location_id)

    async def create(self, location: LocationRef, *, refresh_existing: bool) -> LocationRow:
        """Register. An existing one is refreshed, or refused by ConflictError."""

        async def insert(write: AsyncConnection) -> LocationRow:
            existing = await select_location_by_target(write, location.type, location.target)
            if existing is not None:
                if not refresh_existing:
                    raise _exists(location)
                await schedule_refs(write, [existing.entity_ref])
                return existing
            row = new_row(location, {other.entity_ref for other in await select_locations(write)})
            await insert_location(write, row)
            await apply_delta(write, self.name, [entity_of(row)])
            return row

        return await self._change(insert, location)

    async def update(self, location_id: str, location: LocationRef) -> LocationRow:
        """Point elsewhere; what only the old target gave is removed. Raises NotFoundError, ConflictError."""

        async def move(write: AsyncConnection) -> LocationRow:
            taken = await select_location_by_target(write, location.type, location.target)
            if taken is not None and taken.id != location_id:
                raise _exists(location)
            row = _found(await select_location(write, location_id), location_id)
            moved = row._replace(type=location.type, target=location.target)
            await update_location(write, location_id, moved.type, moved.target)
            await apply_delta(write, self.name, [entity_of(moved)])
            return moved

        return await self._change(move, location)

    async def delete(self, location_id: str) -> None:
        """Unregister; what only this location gave is removed. Raises NotFoundError."""

        async def remove(write: AsyncConnection) -> None:
            row = _found(await select_location(write, location_id), location_id)
            await delete_location(write, location_id)
            await apply_delta(write, self.name, [], [row.entity_ref])

        await write_with_retry(self._database, remove)
        self._wake()

    async def _change(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, LocationRow]], location: LocationRef
    ) -> LocationRow:
        try:
            row = await write_with_retry(self._database, work)
        except IntegrityError as error:
            # Another replica registered the same at the same moment.
            raise _exists(location) from error
        self._wake()
        return row


def new_row(location: LocationRef, taken: Collection[str]) -> LocationRow:
    """The row of a location that is registered now; `taken` are the entity references of the others."""
    location_id = str(uuid.uuid4())
    name = location_name(location)
    if f"location:default/{name}" in taken:
        # A location that was pointed elsewhere keeps the name of its first target, so this one needs another.
        digest = hashlib.sha1(f"{location}#{location_id}".encode(), usedforsecurity=False)
        name = f"generated-{digest.hexdigest()}"
    return LocationRow(location_id, location.type, location.target, f"location:default/{name}")


def entity_of(row: LocationRow) -> UnprocessedEntity:
    """The Location entity of a row."""
    location = LocationRef(row.type, row.target)
    entity = make_location_entity(location, name=row.entity_ref.rpartition("/")[2])
    return make_unprocessed(entity, str(location))


def _found(row: LocationRow | None, location_id: str) -> LocationRow:
    if row is None:
        raise NotFoundError(f"Found no location with ID {location_id}")
    return row


def _exists(location: LocationRef) -> ConflictError:
    return ConflictError(f"Location {location} already exists")
