"""The catalog's actions for other backends, assistants among them: seven, as in Backstage catalog-backend 4.0.0.

Each does what an endpoint does, with the permissions of whoever called it. `platform.actions_router` serves them.
"""

from understage.catalog.access import Access
from understage.catalog.api.actions.entities import create_entity_actions
from understage.catalog.api.actions.locations import create_location_actions
from understage.catalog.api.actions.model import create_model_action
from understage.catalog.api.actions.validation import create_validation_action
from understage.catalog.service import CatalogService
from understage.identity.actions import OfferedAction
from understage.identity.audit import Auditor
from understage.platform.database import Database


def create_catalog_actions(
    database: Database, access: Access, service: CatalogService, auditor: Auditor
) -> list[OfferedAction]:
    """The actions, in the stock order."""
    get, query, refresh = create_entity_actions(database, access, service, auditor)
    register, unregister = create_location_actions(access, service, auditor)
    return [
        create_model_action(),
        get,
        create_validation_action(access, service, auditor),
        register,
        unregister,
        query,
        refresh,
    ]
