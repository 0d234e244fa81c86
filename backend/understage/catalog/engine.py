"""The catalog's engine: providers, processing and stitching of one process, started and stopped by the composition root.

engine = CatalogEngine(database, settings.catalog, reader, config=configuration, providers=installed_providers(…))
await engine.start()          # providers are connected, loops run
engine.service                # what catalog.api calls
await engine.stop()           # claimed work is given back
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from understage.catalog.event_intake import listen
from understage.catalog.ingestion import Ingestion
from understage.catalog.processing.announcements import Announcements
from understage.catalog.processing.assembly import create_orchestrator
from understage.catalog.processing.orphans import delete_orphans
from understage.catalog.processing.rounds import ProcessingRounds
from understage.catalog.providers.config_locations import ConfigLocationProvider
from understage.catalog.providers.incremental import IncrementalIngestion
from understage.catalog.providers.incremental_control import IncrementalControl
from understage.catalog.providers.location_store import LocationStore
from understage.catalog.providers.registry import (
    connect_providers,
    enabled_providers,
    remove_absent_providers,
)
from understage.catalog.providers.scm_locations import ScmLocations
from understage.catalog.providers.scm_refresh import GenericScmEventRefreshProvider
from understage.catalog.scheduling import DatabaseScheduler
from understage.catalog.scm.github import ReadCommit
from understage.catalog.service import CatalogService
from understage.catalog.stitching.rounds import StitchingRounds
from understage.catalog.store.claims import forget_claims
from understage.catalog.store.count_all import refresh_counts
from understage.catalog.store.schedule import count_due, ensure_buckets
from understage.catalog.store.stitch_queue import count_stitches
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import Database
from understage.platform.document_processes import DocumentProcesses
from understage.platform.event_bus import EventBus
from understage.platform.scheduler import Loop
from understage.sdk.analyzer import LocationAnalyzer
from understage.sdk.incremental import IncrementalEntityProvider
from understage.sdk.processor import Processor
from understage.sdk.provider import EntityProvider
from understage.sdk.reader import UrlReader

STOCK_INTERVAL = (100.0, 150.0)
POLL_SECONDS = 1.0
STITCH_TIMEOUT_SECONDS = 60.0
ORPHAN_SECONDS = 30.0
COUNT_SECONDS = 30.0
CORE_PROVIDERS = frozenset((ConfigLocationProvider.name, LocationStore.name, GenericScmEventRefreshProvider.name))


@dataclass(frozen=True)
class Pending:
    """How many entities wait to be processed and to be stitched, those under way included."""

    processing: int
    stitching: int

    @property
    def total(self) -> int:
        """Both."""
        return self.processing + self.stitching


class CatalogEngine:
    """One process's part of the ingestion road.

    `config` is the merged app-config as plain data (for processors, providers and integrations), `folder` where relative
    file targets of `catalog.locations` start (default: the working directory). `processors` (classes) are those that entry
    points name unless given; `providers` are those beside the built-in ones, `scheduler` repeats their work. `interval`
    overrides the pause between two runs of an entity, in seconds.
    `events` is the bus on which forges and the catalog itself tell what happened; `read_commit` asks GitHub what a commit did.
    `analyzers` look for catalog files in repositories, `documents` are processes that parse, if there are any already.
    """

    def __init__(
        self,
        database: Database,
        settings: CatalogSettings,
        reader: UrlReader,
        *,
        config: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        processors: Sequence[type[Processor]] | None = None,
        providers: Sequence[EntityProvider | IncrementalEntityProvider] = (),
        scheduler: DatabaseScheduler | None = None,
        interval: tuple[float, float] | None = None,
        events: EventBus | None = None,
        read_commit: ReadCommit | None = None,
        analyzers: Sequence[LocationAnalyzer] = (),
        documents: DocumentProcesses | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        config = config or {}
        folder = folder or Path.cwd()
        self._documents = documents or DocumentProcesses()
        orchestrator = create_orchestrator(
            settings, reader, config, folder, processors=processors, parse=self._documents.parse
        )
        locations = LocationStore(database, self.wake)
        self.scheduler = scheduler or DatabaseScheduler(database)
        wrapped = [self._wrap(provider) for provider in providers]
        self._providers = enabled_providers(
            [
                locations,
                ConfigLocationProvider(settings.locations, folder),
                GenericScmEventRefreshProvider(database, self.wake),
                *wrapped,
            ],
            settings.provider_options,
        )
        scm_locations = ScmLocations(database, settings.scm_events, self.wake)
        self.events = events or EventBus()
        incremental = [provider.name for provider in self._providers if isinstance(provider, IncrementalIngestion)]
        self.incremental = IncrementalControl(database, self.scheduler, incremental)
        listen(self.events, self._providers, settings.scm_events, scm_locations, read_commit)
        self.service: CatalogService = Ingestion(
            database,
            settings,
            orchestrator,
            locations,
            integrations=config.get("integrations") or {},
            analyzers=analyzers,
            wake=self.wake,
        )
        stitching = settings.stitching_strategy
        self._stitching = StitchingRounds(database, timeout=_seconds(stitching.stitch_timeout, STITCH_TIMEOUT_SECONDS))
        self._processing = ProcessingRounds(
            database,
            orchestrator,
            interval=interval or _interval(settings),
            on_commit=self._wake_stitching,
            wake=self.wake,
            tell=Announcements(self.events).tell,
        )
        self._process_loop = Loop("catalog processing", self._processing.run, interval=POLL_SECONDS)
        self._stitch_loop = Loop(
            "catalog stitching", self._stitching.run, interval=_seconds(stitching.polling_interval, POLL_SECONDS)
        )
        self._loops = self._create_loops()

    def _wrap(self, provider: EntityProvider | IncrementalEntityProvider) -> EntityProvider:
        """A provider of pages as one that the engine connects like any other."""
        if not isinstance(provider, IncrementalEntityProvider):
            return provider
        return IncrementalIngestion(self._database, provider, self.scheduler, self.wake)

    def _create_loops(self) -> list[Loop]:
        counting = Loop("catalog counts", self._count, interval=COUNT_SECONDS)
        if self._settings.processing_interval is False:
            return [counting]
        loops = [self._process_loop, self._stitch_loop, counting]
        if self._settings.orphan_strategy == "delete":
            loops.append(Loop("catalog orphans", self._clean_up, interval=ORPHAN_SECONDS))
        return loops

    async def start(self) -> None:
        """Connect the providers and start the loops. Raises when a built-in provider cannot be connected."""
        async with self._database.write() as connection:
            await ensure_buckets(connection)
            if self._database.dialect == "sqlite":
                # Nobody but this process claims: what is claimed was so when another ended without notice.
                await forget_claims(connection)
        await connect_providers(self._database, self._providers, self.wake, core=CORE_PROVIDERS)
        if self._settings.orphan_provider_strategy == "delete":
            await remove_absent_providers(self._database, [provider.name for provider in self._providers])
        for loop in self._loops:
            loop.start()
        await self.scheduler.start()

    async def stop(self) -> None:
        """Stop the loops; what was claimed and not finished becomes due again."""
        await self.scheduler.stop()
        for loop in reversed(self._loops):
            await loop.stop()
        await self._processing.close()
        await self._stitching.close()
        await self._documents.close()
        await self.events.close()

    def wake(self) -> None:
        """Run the loops now."""
        self._process_loop.wake()
        self._stitch_loop.wake()

    async def pending(self) -> Pending:
        """What is still to be done; both are zero when everything that came in can be seen."""
        claims, before = self._processing.claims, self._processing.under_way
        async with self._database.read() as connection:
            due = await count_due(connection)
            stitches = await count_stitches(connection)
        # What was claimed and finished while the database counted may have left more behind.
        meanwhile = int(self._processing.claims != claims)
        return Pending(due + max(before, self._processing.under_way, meanwhile), stitches)

    async def is_idle(self) -> bool:
        """Whether everything that came in can be seen."""
        return (await self.pending()).total == 0

    async def delete_orphans(self) -> int:
        """Delete orphans now; the engine does so every 30 seconds unless the configuration keeps them."""
        deleted = await delete_orphans(self._database)
        if deleted:
            self._wake_stitching()
        return deleted

    def _wake_stitching(self) -> None:
        self._stitch_loop.wake()

    async def _clean_up(self) -> None:
        await self.delete_orphans()

    async def _count(self) -> None:
        await refresh_counts(self._database)
        # While a replica of the release before buckets still runs, it writes entities without one.
        async with self._database.write() as connection:
            await ensure_buckets(connection)


def _interval(settings: CatalogSettings) -> tuple[float, float]:
    configured = settings.processing_interval
    if not isinstance(configured, timedelta):
        return STOCK_INTERVAL
    seconds = max(1.0, configured.total_seconds())
    return seconds, seconds * 1.5


def _seconds(duration: timedelta | None, default: float) -> float:
    return default if duration is None else duration.total_seconds()
