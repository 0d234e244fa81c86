"""Wires the measures of success, and the plugin `understage` whose routes are Understage's own."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter

from understage.app.http import ServiceFetch
from understage.app.identity import Identity
from understage.config.settings import Settings
from understage.measures.api.measures import create_measures_router
from understage.measures.api.survey import PAGE_PATHS, create_survey_router
from understage.measures.catalog import Plugins
from understage.measures.collection import Collection
from understage.measures.metrics import MeasureMetrics
from understage.measures.service import Clock, Measures, wall_clock
from understage.platform.database import Database
from understage.sdk.ports import ArgoCds
from understage.sdk.schedule import Schedule, Scheduler

PLUGIN = "understage"
TASK = "measures:collect"
TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class MeasuresParts:
    """The measures of one service."""

    measures: Measures
    collection: Collection
    metrics: MeasureMetrics
    routers: list[APIRouter]
    public_paths: tuple[str, ...] = PAGE_PATHS


def create_measures(
    settings: Settings,
    database: Database,
    identity: Identity,
    fetch: ServiceFetch,
    argocds: ArgoCds,
    *,
    key: bytes,
    clock: Clock = wall_clock,
) -> MeasuresParts:
    """Make them; nothing is asked before the schedule says so."""
    plugin = identity.plugins[PLUGIN]
    plugins = Plugins(fetch, plugin.issuer.headers, identity.discovery.internal, plugin.issuer.own_credentials)
    measures = Measures(database, settings.understage.measures, plugins, key=key, clock=clock)
    routers = [
        create_measures_router(measures, plugin.authorizer),
        create_survey_router(measures, plugin.authorizer, auth_url=identity.discovery.external("auth")),
    ]
    collection = Collection(database, argocds, plugins, clock)
    return MeasuresParts(measures, collection, MeasureMetrics(measures), routers)


def schedule_collection(parts: MeasuresParts, settings: Settings, scheduler: Scheduler) -> None:
    """Look at the sources from now on, one replica at a time."""
    frequency = settings.understage.measures.frequency
    scheduler.schedule(TASK, Schedule(frequency, TIMEOUT, initial_delay=frequency), parts.collection.run)
