"""`/refresh` and `/validate-entity`."""

from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import read_required_json
from understage.catalog.service import CatalogService
from understage.identity.permissions import CATALOG_ENTITY_REFRESH, CATALOG_ENTITY_VALIDATE
from understage.platform.plugin import json_response
from understage.platform.requests import Member, check_body


def create_refresh_router(access: Access, service: CatalogService) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.post("/refresh")
    async def refresh(request: Request) -> Response:
        members = {"entityRef": Member("string", required=True), "authorizationToken": Member("string")}
        body = check_body(await read_required_json(request), members, additional=False)
        await access.require(request.state.credentials, CATALOG_ENTITY_REFRESH, body["entityRef"])
        await service.refresh(body["entityRef"].lower())
        return Response(status_code=200)

    @router.post("/validate-entity")
    async def validate_entity(request: Request) -> Response:
        members = {"location": Member("string", required=True), "entity": Member("object", required=True)}
        body = check_body(await read_required_json(request), members)
        await access.require(request.state.credentials, CATALOG_ENTITY_VALIDATE)
        errors = await service.validate_entity(body["entity"], body["location"])
        return json_response({"errors": errors}, 400) if errors else Response(status_code=200)

    return router
