"""The operations of the ingestion road; implements `service.CatalogService`. `CatalogEngine` makes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.analyzers.analysis import analyze
from understage.catalog.failure import SerializedError
from understage.catalog.location_entity import location_entity_ref
from understage.catalog.processing.location_stage import ALLOWED_TYPES
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.trial import check_entity, process_location
from understage.catalog.providers.location_store import LocationStore
from understage.catalog.service import ConflictStrategy, CreatedLocation, RegisteredLocation
from understage.catalog.store.delete_states import delete_states, select_ref_by_uid
from understage.catalog.store.locations import LocationRow
from understage.catalog.store.references import select_references
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.schedule import schedule_keys, schedule_refs
from understage.catalog.store.select_refresh_chain import select_refresh_chain
from understage.config.catalog_settings import CatalogSettings
from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.model.ref import LocationRef
from understage.platform.database import Database
from understage.platform.json import dumps_text
from understage.sdk.analyzer import ExistingFile, LocationAnalyzer


class Ingestion:
    """See `CatalogService`. `integrations` is that section of app-config; `wake` runs the loops at once."""

    def __init__(
        self,
        database: Database,
        settings: CatalogSettings,
        orchestrator: Orchestrator,
        locations: LocationStore,
        *,
        integrations: Mapping[str, Any],
        analyzers: Sequence[LocationAnalyzer] = (),
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._orchestrator = orchestrator
        self._locations = locations
        self._integrations = integrations
        self._analyzers = analyzers
        self._wake = wake

    async def list_locations(self) -> list[RegisteredLocation]:
        """See `CatalogService`."""
        return [_registered(row) for row in await self._locations.list_all()]

    async def get_location(self, location_id: str) -> RegisteredLocation:
        """See `CatalogService`."""
        return _registered(await self._locations.get(location_id))

    async def find_location(self, type: str, target: str) -> RegisteredLocation | None:
        """See `CatalogService`."""
        row = await self._locations.find(LocationRef(type, target))
        return None if row is None else _registered(row)

    async def create_location(
        self, type: str, target: str, *, dry_run: bool = False, on_conflict: ConflictStrategy | None = None
    ) -> CreatedLocation:
        """See `CatalogService`."""
        if not dry_run:
            self._check_writable()
        location = _check_location(type, target)
        if dry_run:
            exists = await self._locations.find(location) is not None
            entities = await process_location(self._orchestrator, location)
            planned = RegisteredLocation(str(location), type, target, location_entity_ref(location))
            return CreatedLocation(planned, entities, exists)
        strategy = on_conflict or self._settings.default_location_conflict_strategy
        row = await self._locations.create(location, refresh_existing=strategy == "refresh")
        return CreatedLocation(_registered(row))

    async def update_location(self, location_id: str, type: str, target: str) -> RegisteredLocation:
        """See `CatalogService`."""
        self._check_writable()
        return _registered(await self._locations.update(location_id, _check_location(type, target)))

    async def delete_location(self, location_id: str) -> None:
        """See `CatalogService`."""
        self._check_writable()
        await self._locations.delete(location_id)

    async def refresh(self, entity_ref: str) -> None:
        """See `CatalogService`."""
        ref = entity_ref.lower()

        async def schedule(write: AsyncConnection) -> None:
            chain = await select_refresh_chain(write, ref)
            places = [ancestor for ancestor in chain if ancestor.startswith("location:")]
            if not await schedule_refs(write, [ref, *places]):
                raise NotFoundError(f"Failed to schedule {ref} for refresh")

        await write_with_retry(self._database, schedule)
        self._wake()

    async def refresh_by_keys(self, keys: Sequence[str]) -> int:
        """See `CatalogService`."""
        count = await write_with_retry(self._database, lambda write: schedule_keys(write, keys))
        self._wake()
        return count

    async def delete_entity(self, uid: str) -> None:
        """See `CatalogService`."""

        async def delete(write: AsyncConnection) -> None:
            ref = await select_ref_by_uid(write, uid)
            if ref is None:
                return
            edges = await select_references(write, targets=[ref])
            parents = {edge.source_ref for edge in edges if edge.source_ref is not None}
            await delete_states(write, [ref])
            await schedule_refs(write, parents, forget_result=True)

        await write_with_retry(self._database, delete)
        self._wake()

    async def validate_entity(self, entity: Any, location_ref: str) -> list[SerializedError]:
        """See `CatalogService`."""
        return await check_entity(self._orchestrator, entity, location_ref)

    async def analyze_location(self, type: str, target: str) -> dict[str, Any]:
        """See `CatalogService`."""
        return await analyze(target, self._analyzers, _Trial(self), self._integrations)

    def _check_writable(self) -> None:
        if self._settings.readonly:
            raise NotAllowedError("This operation not allowed in readonly mode")


@dataclass(frozen=True)
class _Trial:
    """Implements `understage.sdk.Trial` by dry runs, on behalf of the catalog itself."""

    ingestion: Ingestion

    async def register(self, target: str) -> list[ExistingFile]:
        created = await self.ingestion.create_location("url", target, dry_run=True)
        location = LocationRef("url", target)
        return [ExistingFile(location, bool(created.exists), entity) for entity in created.entities]


def _check_location(type: str, target: str) -> LocationRef:
    if type not in ALLOWED_TYPES:
        raise InputError(f"Registered locations must be of an allowed type {dumps_text(list(ALLOWED_TYPES))}")
    # An empty target, or one that a browser would run, never gets into the table: entities' pages link to it.
    LocationRef.parse(f"{type}:{target}")
    return LocationRef(type, target)


def _registered(row: LocationRow) -> RegisteredLocation:
    return RegisteredLocation(row.id, row.type, row.target, row.entity_ref)
