"""`/locations…`, `/analyze-location`: registering files, and what registering would give."""

import base64
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import answer_with_etag
from understage.catalog.predicate import EVERYTHING, both
from understage.catalog.query.locations import filter_locations, parse_location_predicate
from understage.catalog.service import CatalogService, RegisteredLocation
from understage.catalog.store.select_by_refs import select_by_refs
from understage.errors import InputError, NotFoundError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import (
    CATALOG_LOCATION_ANALYZE,
    CATALOG_LOCATION_CREATE,
    CATALOG_LOCATION_DELETE,
    CATALOG_LOCATION_READ,
)
from understage.platform.database import Database
from understage.platform.json import dumps
from understage.platform.openapi import ENTITY, OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import Body, Member, Parameter, decode_base64, parse_query, read_sent, refuse_strays

ORIGIN = "backstage.io/managed-by-origin-location"
DEFAULT_LIMIT = 1000

LOCATION_MEMBERS = {"type": Member("string", required=True), "target": Member("string", required=True)}
LOCATION_BODY = Body(LOCATION_MEMBERS, additional=False)
CREATE_PARAMETERS = {"dryRun": Parameter("boolean"), "onConflict": Parameter(choices=("refresh", "reject"))}
CREATE_BODY = Body(
    # The stock backend looks for the target first when a location is made, and for the type first elsewhere.
    {
        "target": LOCATION_MEMBERS["target"],
        "type": LOCATION_MEMBERS["type"],
        "presence": Member("string", choices=("required", "optional")),
    },
    refuses_strays=True,
)
QUERY_BODY = Body({"cursor": Member("string"), "limit": Member("number"), "query": Member("object")}, required=False)
ANALYZE_BODY = Body(
    {
        "catalogFileName": Member("string"),
        "location": Member("object", required=True, members=LOCATION_MEMBERS, additional=False),
        "catalogFilename": Member("string"),
    }
)

LOCATION = object_of(dict.fromkeys(("id", "type", "target", "entityRef"), STRING))
CREATED = object_of({"location": LOCATION, "entities": array_of(ENTITY)}, {"exists": {"type": "boolean"}})
LOCATION_PAGE = object_of(
    {
        "items": array_of(LOCATION),
        "totalItems": {"type": "integer"},
        "pageInfo": object_of({}, {"nextCursor": STRING}),
    }
)
ANALYSIS = object_of(
    {
        "existingEntityFiles": array_of(
            object_of({"location": OBJECT, "isRegistered": {"type": "boolean"}, "entity": ENTITY})
        ),
        "generateEntities": array_of(object_of({"entity": ENTITY, "fields": array_of({})})),
    }
)


def create_locations_router(database: Database, access: Access, service: CatalogService, auditor: Auditor) -> APIRouter:
    """The routes."""
    router = APIRouter()
    _add_reading(router, database, access, service, auditor)
    _add_changing(router, access, service, auditor)
    return router


def _add_reading(
    router: APIRouter, database: Database, access: Access, service: CatalogService, auditor: Auditor
) -> None:
    @router.get(
        "/locations",
        openapi_extra=describe("List registered locations", answers={200: array_of(object_of({"data": LOCATION}))}),
    )
    async def list_locations(request: Request) -> Response:
        parse_query(request, {})
        with auditor.asked(request.scope, "location-fetch", meta={"queryType": "all"}):
            if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
                return answer_with_etag(request, b"[]")
            locations = [{"data": location.to_json()} for location in await service.list_locations()]
        return answer_with_etag(request, dumps(locations))

    @router.post(
        "/locations/by-query",
        openapi_extra=describe("A page of registered locations", body=QUERY_BODY, answers={200: LOCATION_PAGE}),
    )
    async def query_locations(request: Request) -> Response:
        _, body = await read_sent(request, {}, QUERY_BODY)
        with auditor.asked(request.scope, "location-fetch", meta={"queryType": "by-query"}):
            limit, after, query = _read_location_query(body)
            if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
                return json_response({"items": [], "totalItems": 0, "pageInfo": {}})
            found = [location.to_json() for location in await service.list_locations()]
            matching = filter_locations(found, EVERYTHING if query is None else parse_location_predicate(query))
        page = [location for location in matching if after is None or location["id"] > after]
        info = {}
        if len(page) > limit:
            page = page[:limit]
            info["nextCursor"] = _encode_cursor(limit, page[-1]["id"], query)
        return answer_with_etag(request, dumps({"items": page, "totalItems": len(matching), "pageInfo": info}))

    @router.get(
        "/locations/by-entity/{kind}/{namespace}/{name}",
        openapi_extra=describe("The registered location that an entity comes from", answers={200: LOCATION}),
    )
    async def get_location_by_entity(request: Request, kind: str, namespace: str, name: str) -> Response:
        parse_query(request, {})
        meta = {"queryType": "by-entity", "locationRef": f"{kind}:{namespace}/{name}"}
        with auditor.asked(request.scope, "location-fetch", meta=meta) as event:
            location = await _find_origin(
                database, access, service, request.state.credentials, f"{kind}:{namespace}/{name}".lower()
            )
            event.meta["output"] = location.to_json()
        return answer_with_etag(request, dumps(location.to_json()))

    @router.get("/locations/{location_id}", openapi_extra=describe("One registered location", answers={200: LOCATION}))
    async def get_location(request: Request, location_id: str) -> Response:
        parse_query(request, {})
        with auditor.asked(request.scope, "location-fetch", meta={"queryType": "by-id", "id": location_id}) as event:
            if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
                raise NotFoundError(f"Found no location with ID {location_id}")
            location = await service.get_location(location_id)
            event.meta["output"] = location.to_json()
        return answer_with_etag(request, dumps(location.to_json()))

    @router.post(
        "/analyze-location",
        openapi_extra=describe("Say what could be registered at a URL", body=ANALYZE_BODY, answers={200: ANALYSIS}),
    )
    async def analyze_location(request: Request) -> Response:
        _, body = await read_sent(request, {}, ANALYZE_BODY)
        with auditor.asked(request.scope, "location-analyze") as event:
            await access.require(request.state.credentials, CATALOG_LOCATION_ANALYZE)
            output = await service.analyze_location(body["location"]["type"], body["location"]["target"])
            event.meta["output"] = output
        return json_response(output)


def _add_changing(router: APIRouter, access: Access, service: CatalogService, auditor: Auditor) -> None:
    @router.post(
        "/locations",
        openapi_extra=describe(
            "Register a location, or say what registering it would give",
            query=CREATE_PARAMETERS,
            body=CREATE_BODY,
            answers={201: CREATED},
        ),
    )
    async def create_location(request: Request) -> Response:
        query, body = await read_sent(request, CREATE_PARAMETERS, CREATE_BODY)
        refuse_strays(body, CREATE_BODY)
        dry_run = query.get("dryRun", False)
        meta = {"actionType": "create", "location": body, "isDryRun": dry_run}
        with auditor.asked(
            request.scope, "location-mutate", severity="low" if dry_run else "medium", meta=meta
        ) as event:
            await access.require(request.state.credentials, CATALOG_LOCATION_CREATE)
            created = await service.create_location(
                body["type"], body["target"], dry_run=dry_run, on_conflict=query.get("onConflict")
            )
            event.meta["location"] = created.location.to_json()
        return answer_with_etag(request, dumps(created.to_json()), status=201)

    @router.put(
        "/locations/{location_id}",
        openapi_extra=describe("Point a location elsewhere", body=LOCATION_BODY, answers={200: LOCATION}),
    )
    async def update_location(request: Request, location_id: str) -> Response:
        _, body = await read_sent(request, {}, LOCATION_BODY)
        meta = {"actionType": "update", "id": location_id, "location": body}
        with auditor.asked(request.scope, "location-mutate", severity="medium", meta=meta) as event:
            await access.require(request.state.credentials, CATALOG_LOCATION_CREATE)
            location = await service.update_location(location_id, body["type"], body["target"])
            event.meta["location"] = location.to_json()
        return answer_with_etag(request, dumps(location.to_json()))

    @router.delete("/locations/{location_id}", openapi_extra=describe("Unregister a location", answers={204: None}))
    async def delete_location(request: Request, location_id: str) -> Response:
        parse_query(request, {})
        meta = {"actionType": "delete", "id": location_id}
        with auditor.asked(request.scope, "location-mutate", severity="medium", meta=meta):
            await access.require(request.state.credentials, CATALOG_LOCATION_DELETE)
            await service.delete_location(location_id)
        return Response(status_code=204)


async def _find_origin(
    database: Database, access: Access, service: CatalogService, credentials: Credentials, ref: str
) -> RegisteredLocation:
    if not await access.is_allowed(credentials, CATALOG_LOCATION_READ):
        raise NotFoundError("")
    readable = await access.readable(credentials)
    async with database.read() as connection:
        found = await select_by_refs(connection, [ref], both(readable))
    if ref not in found:
        raise NotFoundError(f"found no entity for ref {ref}")
    origin = orjson.loads(found[ref])["metadata"].get("annotations", {}).get(ORIGIN)
    if origin is None:
        raise NotFoundError(f"found no origin annotation for ref {ref}")
    type, _, target = origin.partition(":")
    location = await service.find_location(type, target)
    if location is None:
        raise NotFoundError(f"Found no location with type {type} and target {target}")
    return location


def _read_location_query(body: dict[str, Any]) -> tuple[int, str | None, dict[str, Any] | None]:
    """(limit, id to start after, predicate) of a body, all from the cursor when there is one."""
    if "cursor" in body:
        body = _decode_cursor(body["cursor"])
    limit = body.get("limit", DEFAULT_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InputError("Limit must be a positive integer >= 1")
    return limit, body.get("afterId"), body.get("query")


def _decode_cursor(text: str) -> dict[str, Any]:
    if not text:
        raise InputError("Cursor cannot be empty")
    try:
        content = orjson.loads(decode_base64(text))
    except ValueError as error:
        raise InputError("Malformed cursor, unknown encoding") from error
    if not isinstance(content, dict):
        raise InputError("Malformed cursor: Validation error: Expected object")
    if "limit" not in content:
        raise InputError('Malformed cursor: Validation error: Required at "limit"')
    if not isinstance(content.get("afterId", ""), str):
        raise InputError('Malformed cursor: Validation error: Expected string at "afterId"')
    return content


def _encode_cursor(limit: int, after: str, query: dict[str, Any] | None) -> str:
    content = {"limit": limit, "afterId": after, **({} if query is None else {"query": query})}
    return base64.b64encode(dumps(content)).decode()
