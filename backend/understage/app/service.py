"""One running Understage: its parts in the order they are made, started and stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from fastapi import APIRouter
from starlette.applications import Starlette

from understage.app.expiry import schedule_expiry
from understage.app.http import ServiceFetch
from understage.app.identity import JWKS_PATH, Identity, create_identity
from understage.app.integrations import Integrations, create_integrations
from understage.app.measures import MeasuresParts, create_measures, schedule_collection
from understage.app.offered_actions import create_offered_router
from understage.app.plugins import CatalogPlugins
from understage.app.scaffolder import create_scaffolder, read_key
from understage.app.understage_plugin import create_argocd_router, create_understage_routers
from understage.app.web import Health, create_root
from understage.catalog.access import Access
from understage.catalog.analyzers.analysis import installed_analyzers
from understage.catalog.api.actions import create_catalog_actions
from understage.catalog.api.routers import create_catalog_routers
from understage.catalog.engine import CatalogEngine
from understage.catalog.processing.announcements import CONFLICT_TOPIC, ERRORS_TOPIC
from understage.catalog.providers.registry import installed_providers
from understage.catalog.query.served import Served
from understage.catalog.scheduling import DatabaseScheduler
from understage.catalog.store.select_by_refs import select_by_refs
from understage.catalog.store.select_problems import select_problems
from understage.config.settings import Settings
from understage.config.sources import Configuration
from understage.errors import InputError
from understage.events.node_bus import NodeEventBus
from understage.events.plugin import create_events_plugin
from understage.identity.actions import ActionsRegistry
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.discovery import Discovery
from understage.integrations.github.commits import GithubCommits
from understage.platform.actions_router import create_actions_router
from understage.platform.database import Database
from understage.platform.database_config import open_migrated
from understage.platform.document_processes import DocumentProcesses
from understage.platform.event_bus import EventBus
from understage.platform.http import HttpClient
from understage.platform.plugin import create_plugin
from understage.scaffolder.assembly import Assembly
from understage.scaffolder.service import ScaffolderService
from understage.sdk.analyzer import AnalyzerSetup
from understage.sdk.provider import ProviderSetup

IDLE_POLL_SECONDS = 0.1
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass
class Service:
    """Made by `create_service`, which has migrated the database; `web` answers 503 until `start` has returned."""

    web: Starlette
    database: Database
    engine: CatalogEngine
    scaffolder: ScaffolderService
    assembly: Assembly
    health: Health
    http: HttpClient
    fetch: ServiceFetch
    served: Served
    measures: MeasuresParts
    node_events: NodeEventBus | None = None
    stop_listeners: list[Callable[[], None]] = field(default_factory=list)

    def on_stop(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a stop begins."""
        self.stop_listeners.append(listener)

    async def start(self) -> None:
        """Start all background work."""
        await self.engine.start()
        await self.scaffolder.start()
        self.measures.metrics.start()
        if self.node_events is not None:
            self.node_events.start()
        self.health.is_started = True

    def begin_stop(self) -> None:
        """Tell load balancers and open streams that the end is near; may be called twice, and from a signal handler."""
        self.health.is_stopping = True
        self.scaffolder.begin_stop()
        for listener in self.stop_listeners:
            listener()

    async def stop(self) -> None:
        """Stop all background work, give back what is under way, close connections."""
        self.begin_stop()
        if self.node_events is not None:
            await self.node_events.stop()
        await self.measures.metrics.stop()
        await self.scaffolder.stop()
        await self.engine.stop()
        await self.http.close()
        await self.served.close()
        await self.database.close()

    async def wait_until_ingested(self, seconds: float) -> None:
        """Return when everything that was registered can be seen, at the latest after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await self.engine.is_idle():  # noqa: ASYNC110 - the state is in the database, nobody signals it
                    await asyncio.sleep(IDLE_POLL_SECONDS)

    async def count_entities(self) -> tuple[int, Sequence[str]]:
        """How many entities are served, and a line for each that has a problem."""
        async with self.database.read() as connection:
            return await select_problems(connection)


async def create_service(
    configuration: Configuration,
    settings: Settings,
    *,
    root: Path,
    standalone: bool,
    database: Database | None = None,
    documents: DocumentProcesses | None = None,
    token_elsewhere: str | None = None,
) -> Service:
    """Make a service from the configuration; relative paths in it start at `root`.

    `database` is the configured one, for those who have opened it, which is closed when this fails; so are `documents`, the
    processes of the catalog that parse.
    `standalone` adds the portal: stock page, guest sign-in, local git server. `token_elsewhere` is what plugins out of this
    process are asked with, other than on behalf of a person; without it, tokens of our own keys.
    """
    data_directory = settings.data_directory(root)
    if database is None:
        database = await open_migrated(settings.backend.database, root=root, data_directory=data_directory)
    async with AsyncExitStack() as opened:
        # Closed again when something below fails; the service closes it otherwise.
        opened.push_async_callback(database.close)
        if documents is not None:
            opened.push_async_callback(documents.close)
        service = _compose(
            configuration,
            settings,
            database,
            documents,
            root,
            data_directory,
            standalone=standalone,
            token_elsewhere=token_elsewhere,
        )
        opened.pop_all()
    return service


def _compose(
    configuration: Configuration,
    settings: Settings,
    database: Database,
    documents: DocumentProcesses | None,
    root: Path,
    data_directory: Path,
    *,
    standalone: bool,
    token_elsewhere: str | None,
) -> Service:
    http = HttpClient()
    fetch = ServiceFetch(http, Discovery(settings).own("").rstrip("/") + "/")
    identity = create_identity(
        settings,
        database,
        fetch,
        root=root,
        data_directory=data_directory,
        signs_in_users=standalone,
        token_elsewhere=token_elsewhere,
    )
    integrations = create_integrations(
        configuration, settings, http, root=root, data_directory=data_directory, with_local_git=standalone
    )
    events = EventBus()
    plugins = CatalogPlugins(identity, fetch)
    engine = _create_engine(configuration, settings, database, documents, integrations, events, http, plugins, root)
    scaffolder, assembly, scaffolder_routers = create_scaffolder(
        settings, database, identity, integrations, fetch, root=root, data_directory=data_directory
    )
    schedule_expiry(
        engine.scheduler, assembly.interpreter, settings.understage.environments, settings.understage.gitops
    )
    health = Health([database.check, scaffolder.check])
    web = create_root(
        _no_lifespan, health, settings.backend.cors, with_metrics=settings.understage.telemetry.prometheus
    )
    catalog_identity = identity.plugins["catalog"]
    catalog_access = Access(catalog_identity.authorizer)
    auditor = Auditor("catalog", settings.backend.auditor.severity_log_level_mappings)
    served = Served(database, settings.understage.catalog_memory << 20)
    catalog_routers = create_catalog_routers(
        database,
        catalog_access,
        engine.service,
        engine.scheduler,
        engine.incremental,
        auditor,
        catalog_identity.authenticator.authenticate_token,
        served,
    )
    offered = ActionsRegistry("catalog", settings.backend.actions, catalog_identity.authorizer)
    offered.register(*create_catalog_actions(database, catalog_access, engine.service, auditor))
    _mount_plugin(web, "catalog", [*catalog_routers, create_actions_router(offered)], identity, health)
    _mount_plugin(web, "scaffolder", scaffolder_routers, identity, health)
    measures = create_measures(
        settings, database, identity, fetch, integrations.argocd, key=read_key(settings, data_directory)
    )
    if settings.understage.measures.enabled:
        schedule_collection(measures, settings, engine.scheduler)
    own_routers = [
        *create_understage_routers(settings, database, catalog_access, integrations),
        create_offered_router(settings, identity, integrations, fetch, root=root, data_directory=data_directory),
        *measures.routers,
    ]
    _mount_plugin(web, "understage", own_routers, identity, health, public_paths=measures.public_paths)
    _mount_plugin(web, "argocd", [create_argocd_router(database, catalog_access, integrations)], identity, health)
    web.mount("/api/events", create_events_plugin(settings, events, lambda: health.is_started))
    if standalone:
        _mount_portal(web, configuration, settings, database, identity, integrations)
    fetch.attach(web)
    node_events = _create_node_bus(identity, fetch, events)
    return Service(web, database, engine, scaffolder, assembly, health, http, fetch, served, measures, node_events)


def _create_engine(
    configuration: Configuration,
    settings: Settings,
    database: Database,
    documents: DocumentProcesses | None,
    integrations: Integrations,
    events: EventBus,
    http: HttpClient,
    plugins: CatalogPlugins,
    root: Path,
) -> CatalogEngine:
    scheduler = DatabaseScheduler(database)
    setup = ProviderSetup(integrations.reader, integrations.http, scheduler, configuration.data, plugins)
    return CatalogEngine(
        database,
        settings.catalog,
        integrations.reader,
        config=configuration.data,
        folder=root,
        providers=installed_providers(setup),
        scheduler=scheduler,
        events=events,
        read_commit=GithubCommits(http, settings.integrations.github),
        analyzers=installed_analyzers(AnalyzerSetup(integrations.http, configuration.data)),
        documents=documents,
    )


def _create_node_bus(identity: Identity, fetch: ServiceFetch, events: EventBus) -> NodeEventBus | None:
    """The events backend that discovery places elsewhere."""
    if not identity.discovery.is_elsewhere("events"):
        return None
    base = identity.discovery.internal("events")
    issuer, catalog = identity.plugins["catalog"].issuer, Credentials.service("plugin:catalog")

    async def headers() -> Mapping[str, str]:
        return await issuer.headers("events", catalog)

    return NodeEventBus(base, fetch, headers, events, [ERRORS_TOPIC, CONFLICT_TOPIC])


def _mount_plugin(
    web: Starlette,
    plugin_id: str,
    routers: Sequence[APIRouter],
    identity: Identity,
    health: Health,
    *,
    public_paths: Sequence[str] = (),
) -> None:
    plugin = identity.plugins[plugin_id]
    app = create_plugin(
        plugin_id,
        [plugin.create_router(), *routers],
        authenticate=plugin.authenticate,
        is_ready=lambda: health.is_started,
        public_paths=[JWKS_PATH, *public_paths],
    )
    web.mount(f"/api/{plugin_id}", app)


def _mount_portal(
    web: Starlette,
    configuration: Configuration,
    settings: Settings,
    database: Database,
    identity: Identity,
    integrations: Integrations,
) -> None:
    from understage.portal.app import create_portal
    from understage.portal.git_server import create_git_server

    if identity.users is None or integrations.local is None:
        raise InputError("the portal needs an issuer of user tokens and the local git server")

    async def ownership_of(user_ref: str) -> list[str] | None:
        async with database.read() as connection:
            found = await select_by_refs(connection, [user_ref])
        if user_ref not in found:
            return None
        relations = orjson.loads(found[user_ref]).get("relations", [])
        return [relation["targetRef"] for relation in relations if relation["type"] == "memberOf"]

    portal = create_portal(
        configuration.data,
        issuer=identity.users,
        ownership_of=ownership_of,
        development=settings.backend.listen.host in LOOPBACK,
    )
    web.mount("/git", create_git_server(integrations.local))
    portal.mount(web, authenticate=identity.plugins["permission"].authenticate)


@asynccontextmanager
async def _no_lifespan(_app: Starlette) -> AsyncIterator[None]:
    """The service is started before it is served, and stopped after."""
    yield
