"""Wires the plugin `understage`: what neither catalog nor scaffolder of a stock backend has. Mounted at `/api/understage`.

And the plugin `argocd`, at `/api/argocd`, for the entity pages of those who have the frontend plugin.
"""

from dataclasses import dataclass

import orjson
from fastapi import APIRouter

from understage.app.integrations import Integrations
from understage.catalog.access import Access
from understage.catalog.predicate import EVERYTHING
from understage.catalog.store.select_by_refs import select_by_refs
from understage.config.settings import Settings
from understage.cost import create_cost_router
from understage.delivery import StatusSources, create_argocd_plugin_router, create_status_router
from understage.identity.credentials import Credentials
from understage.integrations.opencost import source_from_settings
from understage.model.entity import Entity
from understage.platform.database import Database


@dataclass(frozen=True)
class ReadableCatalog:
    """The entities that a caller may read. Implements the `CatalogReader` of `understage.cost` and `understage.delivery`."""

    database: Database
    access: Access

    async def readable(self, refs: list[str], credentials: Credentials) -> list[Entity]:
        """See `CatalogReader`."""
        predicate = await self.access.readable(credentials)
        async with self.database.read() as connection:
            found = await select_by_refs(connection, refs, EVERYTHING if predicate is None else predicate)
        return [orjson.loads(found[ref]) for ref in refs if ref in found]

    async def reads_everything(self, credentials: Credentials) -> bool:
        """See `CatalogReader`."""
        return await self.access.readable(credentials) is None


def create_argocd_router(database: Database, access: Access, integrations: Integrations) -> APIRouter:
    """All routes below `/api/argocd`; `access` is the catalog's."""
    sources = StatusSources(integrations.argocd, integrations.clusters)
    return create_argocd_plugin_router(sources, ReadableCatalog(database, access))


def create_understage_routers(
    settings: Settings, database: Database, access: Access, integrations: Integrations
) -> list[APIRouter]:
    """All routes below `/api/understage`; `access` is the catalog's."""
    catalog = ReadableCatalog(database, access)
    return [
        create_cost_router(source_from_settings(settings.understage.costs), catalog),
        create_status_router(
            StatusSources(integrations.argocd, integrations.clusters, settings.understage.argocd.namespace), catalog
        ),
    ]
