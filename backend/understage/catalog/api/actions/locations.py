"""Actions about locations: register and unregister."""

from typing import Any

from understage.catalog.access import Access
from understage.catalog.service import CatalogService
from understage.errors import InputError, NotFoundError
from understage.identity.actions import OfferedAction, schema_of
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import (
    CATALOG_LOCATION_CREATE,
    CATALOG_LOCATION_DELETE,
    CATALOG_LOCATION_READ,
)
from understage.model.url import is_absolute_url

TEXT = {"type": "string"}


def _only(name: str, description: str) -> dict[str, Any]:
    properties = {name: {**TEXT, "description": description}}
    return {"type": "object", "properties": properties, "required": [name], "additionalProperties": False}


def create_location_actions(
    access: Access, service: CatalogService, auditor: Auditor
) -> tuple[OfferedAction, OfferedAction]:
    """`register-entity`, `unregister-entity`."""

    async def register(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        url = input["locationUrl"]
        if not is_absolute_url(url):
            raise InputError(f"{url} is an invalid URL")
        meta = {"actionType": "create", "location": {"type": "url", "target": url}, "isDryRun": False}
        with auditor.event("location-mutate", credentials=credentials, severity="medium", meta=meta) as event:
            await access.require(credentials, CATALOG_LOCATION_CREATE)
            created = await service.create_location("url", url)
            event.meta["location"] = created.location.to_json()
        return {"locationId": created.location.id}

    async def unregister(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        wanted = input["type"]
        if "locationId" in wanted:
            ids = [wanted["locationId"]]
        else:
            url = wanted["locationUrl"]
            may_read = await access.is_allowed(credentials, CATALOG_LOCATION_READ)
            listed = await service.list_locations() if may_read else []
            ids = [location.id for location in listed if location.target.lower() == url.lower()]
            if not ids:
                raise NotFoundError(f"Location with URL {url} not found")
        for location_id in ids:
            meta = {"actionType": "delete", "id": location_id}
            with auditor.event("location-mutate", credentials=credentials, severity="medium", meta=meta):
                await access.require(credentials, CATALOG_LOCATION_DELETE)
                await service.delete_location(location_id)
        return {}

    return (
        OfferedAction(
            "register-entity",
            "Register entity in the Catalog",
            "Registers the entities of a file, usually catalog-info.yaml, by its URL. They appear soon after; the catalog "
            "follows changes of the file.",
            schema_of(
                {"locationUrl": {**TEXT, "description": "URL of the file, as a browser shows it."}}, ["locationUrl"]
            ),
            schema_of({"locationId": {**TEXT, "description": "Id of the registered location."}}, ["locationId"]),
            run=register,
            destructive=False,
        ),
        OfferedAction(
            "unregister-entity",
            "Unregister entity from the Catalog",
            "Unregisters a location, given its id or its URL, and removes the entities that came from it.",
            schema_of(
                {
                    "type": {
                        "anyOf": [
                            _only("locationId", "Id of the location to unregister."),
                            _only("locationUrl", "URL that was registered; case does not matter."),
                        ],
                        "description": "Which location: its id or its URL.",
                    }
                },
                ["type"],
            ),
            schema_of({}),
            run=unregister,
            destructive=True,
            idempotent=True,
        ),
    )
