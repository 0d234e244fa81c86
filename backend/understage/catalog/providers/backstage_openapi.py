"""An API entity that documents the plugins of the installation, made of their OpenAPI documents each minute.

Names and defaults as in Backstage catalog-backend-module-backstage-openapi.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from understage.catalog.providers.openapi_merge import merge_documents
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.config.provider_settings import BackstageOpenapiProvider, read_providers
from understage.errors import ForeignError
from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Entity
from understage.model.yaml_dump import dump
from understage.platform.json import dumps_text
from understage.sdk.plugins import Plugins
from understage.sdk.provider import ProvidedEntity, ProviderSetup
from understage.sdk.schedule import Schedule, Scheduler

log = structlog.get_logger(__name__)

PLACE = "internal-package:@backstage/plugin-catalog-backend-module-backstage-openapi"
LOCATION_KEY = "internal-api-doc"
SCHEDULE = Schedule(timedelta(minutes=1), timedelta(minutes=1))
DEFAULTS: Mapping[str, Any] = {
    "metadata": {"name": "internal_backstage_openapi_doc", "title": "Backstage API"},
    "spec": {"lifecycle": "production", "owner": "backstage"},
}


def create_provider(setup: ProviderSetup) -> list["InternalOpenApiDocumentationProvider"]:
    """The one of `catalog.providers.backstageOpenapi`."""
    settings = read_providers(setup.config).backstage_openapi
    if settings is None:
        return []
    base_url = str((setup.config.get("backend") or {}).get("baseUrl") or "http://localhost:7007")
    return [InternalOpenApiDocumentationProvider(settings, base_url, setup.plugins, setup.scheduler)]


class InternalOpenApiDocumentationProvider(ScheduledProvider):
    """Implements `EntityProvider`."""

    def __init__(
        self, settings: BackstageOpenapiProvider, base_url: str, plugins: Plugins, scheduler: Scheduler
    ) -> None:
        super().__init__("InternalOpenApiDocumentationProvider", SCHEDULE, scheduler)
        self._settings = settings
        self._base_url = base_url
        self._plugins = plugins

    async def refresh(self) -> None:
        """Ask all plugins and give the entity. A plugin without a document is left out; any other failure changes nothing."""
        documents = []
        for plugin_id in self._settings.plugins:
            status, body = await self._plugins.get(plugin_id, "/openapi.json")
            if status == 404:
                log.error("a plugin has no OpenAPI document: take it out of backstageOpenapi.plugins", plugin=plugin_id)
            elif status != 200 or not isinstance(body, dict):
                raise ForeignError(
                    f"the plugin {plugin_id} answered {status} when it was asked for its OpenAPI document"
                )
            else:
                documents.append((plugin_id, body))
        entity = self._entity(merge_documents(self._base_url, documents))
        await self._connected().replace_all([ProvidedEntity(entity, LOCATION_KEY)])

    def _entity(self, document: Mapping[str, Any]) -> Entity:
        is_yaml = self._settings.definition_format == "yaml"
        required = {
            "apiVersion": "backstage.io/v1beta1",
            "kind": "API",
            "metadata": {"annotations": {ANNOTATION_LOCATION: PLACE, ANNOTATION_ORIGIN_LOCATION: PLACE}},
            "spec": {"type": "openapi", "definition": dump(document) if is_yaml else dumps_text(document)},
        }
        return _merge(_merge(DEFAULTS, self._settings.entity_overrides), required)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects member by member; anything else of `above` wins."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
