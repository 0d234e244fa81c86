"""`/locations…`, `/analyze-location`: registering files, and what registering would give."""

import base64
import binascii
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import answer_with_etag, read_required_json
from understage.catalog.predicate import EVERYTHING, both
from understage.catalog.query.locations import filter_locations
from understage.catalog.query.predicates import parse_predicate
from understage.catalog.service import CatalogService
from understage.catalog.store.select_by_refs import select_by_refs
from understage.errors import InputError, NotFoundError
from understage.identity.permissions import (
    CATALOG_LOCATION_ANALYZE,
    CATALOG_LOCATION_CREATE,
    CATALOG_LOCATION_DELETE,
    CATALOG_LOCATION_READ,
)
from understage.platform.database import Database
from understage.platform.json import dumps
from understage.platform.plugin import json_response
from understage.platform.requests import Member, Parameter, check_body, parse_query, read_json

ORIGIN = "backstage.io/managed-by-origin-location"
DEFAULT_LIMIT = 1000

LOCATION_BODY = {"target": Member("string", required=True), "type": Member("string", required=True)}


def create_locations_router(database: Database, access: Access, service: CatalogService) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get("/locations")
    async def list_locations(request: Request) -> Response:
        if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
            return answer_with_etag(request, b"[]")
        locations = [{"data": location.to_json()} for location in await service.list_locations()]
        return answer_with_etag(request, dumps(locations))

    @router.post("/locations")
    async def create_location(request: Request) -> Response:
        query = parse_query(
            request, {"dryRun": Parameter("boolean"), "onConflict": Parameter(choices=("refresh", "reject"))}
        )
        body = check_body(
            await read_required_json(request),
            {**LOCATION_BODY, "presence": Member("string", choices=("required", "optional"))},
            additional=False,
        )
        await access.require(request.state.credentials, CATALOG_LOCATION_CREATE)
        created = await service.create_location(
            body["type"], body["target"], dry_run=query.get("dryRun", False), on_conflict=query.get("onConflict")
        )
        return answer_with_etag(request, dumps(created.to_json()), status=201)

    @router.post("/locations/by-query")
    async def query_locations(request: Request) -> Response:
        members = {
            "cursor": Member("string"),
            "limit": Member("number"),
            "query": Member("object"),
        }
        body = check_body(await read_json(request) or {}, members)
        limit, after, query = _read_location_query(body)
        if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
            return json_response({"items": [], "totalItems": 0, "pageInfo": {}})
        found = [location.to_json() for location in await service.list_locations()]
        matching = filter_locations(found, EVERYTHING if query is None else parse_predicate(query))
        page = [location for location in matching if after is None or location["id"] > after]
        info = {}
        if len(page) > limit:
            page = page[:limit]
            info["nextCursor"] = _encode_cursor(limit, page[-1]["id"], query)
        return answer_with_etag(request, dumps({"items": page, "totalItems": len(matching), "pageInfo": info}))

    @router.get("/locations/by-entity/{kind}/{namespace}/{name}")
    async def get_by_entity(request: Request, kind: str, namespace: str, name: str) -> Response:
        credentials = request.state.credentials
        if not await access.is_allowed(credentials, CATALOG_LOCATION_READ):
            raise NotFoundError("")
        ref = f"{kind}:{namespace}/{name}".lower()
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
        return answer_with_etag(request, dumps(location.to_json()))

    @router.get("/locations/{location_id}")
    async def get_location(request: Request, location_id: str) -> Response:
        if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
            raise NotFoundError(f"Found no location with ID {location_id}")
        location = await service.get_location(location_id)
        return answer_with_etag(request, dumps(location.to_json()))

    @router.put("/locations/{location_id}")
    async def update_location(request: Request, location_id: str) -> Response:
        body = check_body(await read_required_json(request), LOCATION_BODY, additional=False)
        await access.require(request.state.credentials, CATALOG_LOCATION_CREATE)
        location = await service.update_location(location_id, body["type"], body["target"])
        return answer_with_etag(request, dumps(location.to_json()))

    @router.delete("/locations/{location_id}")
    async def delete_location(request: Request, location_id: str) -> Response:
        await access.require(request.state.credentials, CATALOG_LOCATION_DELETE)
        await service.delete_location(location_id)
        return Response(status_code=204)

    @router.post("/analyze-location")
    async def analyze_location(request: Request) -> Response:
        members = {
            "location": Member("object", required=True),
            "catalogFilename": Member("string"),
            "catalogFileName": Member("string"),
        }
        body = check_body(await read_required_json(request), members)
        location = check_body(body["location"], LOCATION_BODY, additional=False, path="request/body/location")
        await access.require(request.state.credentials, CATALOG_LOCATION_ANALYZE)
        return json_response(await service.analyze_location(location["type"], location["target"]))

    return router


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
        content = orjson.loads(base64.b64decode(text))
    except (binascii.Error, ValueError) as error:
        raise InputError("Malformed cursor, unknown encoding") from error
    if not isinstance(content, dict) or not isinstance(content.get("afterId"), str):
        raise InputError('Malformed cursor: Validation error: Required at "afterId"')
    return content


def _encode_cursor(limit: int, after: str, query: dict[str, Any] | None) -> str:
    content = {"limit": limit, "afterId": after, **({} if query is None else {"query": query})}
    return base64.b64encode(dumps(content)).decode()
