"""`/refresh` and `/validate-entity`."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.service import CatalogService
from understage.errors import InputError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import CATALOG_ENTITY_REFRESH, CATALOG_ENTITY_VALIDATE
from understage.platform.openapi import ERROR, STRING, any_of, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import Body, Member, read_sent

REFRESH_BODY = Body(
    {"authorizationToken": Member("string"), "entityRef": Member("string", required=True)}, additional=False
)
VALIDATE_BODY = Body({"location": Member("string", required=True), "entity": Member("object", required=True)})
PROBLEMS = object_of({"errors": array_of(object_of({"name": STRING, "message": STRING}))})

AuthenticateToken = Callable[[str], Awaitable[Credentials]]


def create_refresh_router(
    access: Access, service: CatalogService, auditor: Auditor, authenticate_token: AuthenticateToken
) -> APIRouter:
    """The routes. A token in the body of a refresh counts in place of the caller's."""
    router = APIRouter()

    @router.post(
        "/refresh",
        openapi_extra=describe("Process an entity and its locations now", body=REFRESH_BODY, answers={200: None}),
    )
    async def refresh(request: Request) -> Response:
        _, body = await read_sent(request, {}, REFRESH_BODY)
        meta = {"queryType": "refresh", "entityRef": body["entityRef"]}
        with auditor.asked(request.scope, "entity-mutate", severity="medium", meta=meta):
            token = body.get("authorizationToken")
            credentials = await authenticate_token(token) if token else request.state.credentials
            await access.require(credentials, CATALOG_ENTITY_REFRESH, body["entityRef"])
            await service.refresh(body["entityRef"].lower())
        return Response(status_code=200)

    @router.post(
        "/validate-entity",
        openapi_extra=describe(
            "Say what is wrong with an entity", body=VALIDATE_BODY, answers={200: None, 400: any_of(PROBLEMS, ERROR)}
        ),
    )
    async def validate_entity(request: Request) -> Response:
        _, body = await read_sent(request, {}, VALIDATE_BODY)
        with auditor.asked(request.scope, "entity-validate") as event:
            await access.require(request.state.credentials, CATALOG_ENTITY_VALIDATE)
            errors = await service.validate_entity(body["entity"], body["location"])
            if errors:
                event.fail(InputError(f"Could not validate entity: {errors[0]['message']}"))
        return json_response({"errors": errors}, 400) if errors else Response(status_code=200)

    return router
