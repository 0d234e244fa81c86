"""The route of a service's status: `app` mounts it in the plugin `understage`."""

from fastapi import APIRouter, Request, Response

from understage.delivery.reading import Service, service_of
from understage.delivery.sources import StatusSources
from understage.delivery.status import tell_status
from understage.errors import InputError
from understage.identity.catalog_reader import CatalogReader, read_entity
from understage.model.ref import canonical_ref
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import parse_query

STATUS = object_of(
    {
        "entityRef": STRING,
        "team": STRING,
        "healthy": {"type": "boolean"},
        "complete": {"type": "boolean"},
        "environments": array_of(OBJECT),
        "sources": array_of(OBJECT),
    }
)


@absent(OLD_MODELS)
def create_status_router(sources: StatusSources, catalog: CatalogReader) -> APIRouter:
    """The route. Services are components of the namespace `default`: names of namespaces and applications have no other."""
    router = APIRouter()

    @router.get("/services/{name}/status", openapi_extra=describe("How a service runs", answers={200: STATUS}))
    async def get_service_status(request: Request, name: str) -> Response:
        parse_query(request, {})
        if ":" in name or "/" in name:
            raise InputError("name is the name of a component, without : and /")
        ref = canonical_ref(f"component:default/{name}")
        service: Service = service_of(await read_entity(catalog, ref, request.state.credentials))
        return json_response(tell_status(ref, service, await sources.ask(service)))

    return router
