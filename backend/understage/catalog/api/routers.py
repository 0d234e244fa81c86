"""All routes of the catalog, for the composition root."""

from fastapi import APIRouter

from understage.catalog.access import Access
from understage.catalog.api.entities import create_entities_router
from understage.catalog.api.incremental import create_incremental_router
from understage.catalog.api.locations import create_locations_router
from understage.catalog.api.permissions import create_catalog_permissions_router
from understage.catalog.api.query import create_query_router
from understage.catalog.api.refresh import AuthenticateToken, create_refresh_router
from understage.catalog.api.reports import create_reports_router
from understage.catalog.api.scheduler import create_scheduler_router
from understage.catalog.api.unprocessed import create_unprocessed_router
from understage.catalog.providers.incremental_control import IncrementalControl
from understage.catalog.query.served import Served
from understage.catalog.scheduling import DatabaseScheduler
from understage.catalog.service import CatalogService
from understage.identity.audit import Auditor
from understage.platform.database import Database
from understage.platform.light_imports import OLD_MODELS, absent


@absent(OLD_MODELS)
def create_catalog_routers(
    database: Database,
    access: Access,
    service: CatalogService,
    scheduler: DatabaseScheduler,
    incremental: IncrementalControl,
    auditor: Auditor,
    authenticate_token: AuthenticateToken,
    served: Served,
) -> list[APIRouter]:
    """The routers below `/api/catalog`; `/entities/by-query` stands before `/entities/…`."""
    return [
        create_query_router(database, served, access, auditor),
        create_entities_router(database, served, access, service, auditor),
        create_locations_router(database, access, service, auditor),
        create_refresh_router(access, service, auditor, authenticate_token),
        create_catalog_permissions_router(database),
        create_scheduler_router(scheduler),
        create_unprocessed_router(database, access, service),
        create_reports_router(database, access, service),
        create_incremental_router(access, incremental),
    ]
