"""`/entities…`: lists, pages, single entities, by reference, ancestry, deletion."""

import base64
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from understage.catalog.access import Access
from understage.catalog.api.answers import (
    answer_entities,
    answer_with_etag,
    encode_array,
    encode_entity,
    encode_object,
)
from understage.catalog.predicate import NOTHING, Predicate, both
from understage.catalog.query.ancestry import order_ancestry
from understage.catalog.query.fields import Projection, parse_fields
from understage.catalog.query.filter import parse_filters
from understage.catalog.query.predicates import clean_predicate, read_predicate
from understage.catalog.query.served import Served
from understage.catalog.service import CatalogService
from understage.catalog.store.select_ancestry import select_ancestry
from understage.catalog.store.select_by_refs import select_by_refs, select_by_uid
from understage.catalog.store.select_dump import Dump, select_dump
from understage.catalog.store.select_list import select_list
from understage.catalog.store.select_page import select_page
from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.identity.audit import Auditor
from understage.identity.permissions import CATALOG_ENTITY_DELETE
from understage.platform.database import Database
from understage.platform.openapi import ENTITY, OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import JSON_TYPE, json_response, raw_json_response, sent_path
from understage.platform.requests import Body, Member, Parameter, decode_base64, parse_query, read_sent

STREAM_PAGE = 2000

LIST_PARAMETERS = {
    "fields": Parameter("list"),
    "limit": Parameter("integer", minimum=0),
    "filter": Parameter("list"),
    "offset": Parameter("integer", minimum=0),
    "after": Parameter(),
    "order": Parameter("list"),
}


BY_REFS_PARAMETERS = {"filter": Parameter("list")}
BY_REFS_BODY = Body(
    {
        "entityRefs": Member("array", required=True, items="string"),
        "fields": Member("array", items="string"),
        "query": Member("object"),
    },
    required=False,
)

# Projected entities have what was asked for only.
LIST = array_of(OBJECT)
ENTITY_OR_NULL = {"type": "object", "nullable": True}
BY_REFS = object_of({"items": array_of(ENTITY_OR_NULL)})
ANCESTRY = object_of(
    {
        "rootEntityRef": STRING,
        "items": array_of(object_of({"entity": ENTITY, "parentEntityRefs": array_of(STRING)})),
    }
)


def create_entities_router(
    database: Database, served: Served, access: Access, service: CatalogService, auditor: Auditor
) -> APIRouter:
    """The routes."""
    router = APIRouter()
    _add_lists(router, database, served, access, auditor)
    _add_single(router, database, served, access, service, auditor)
    _add_ancestry(router, database, access, auditor)
    return router


def _add_lists(router: APIRouter, database: Database, served: Served, access: Access, auditor: Auditor) -> None:
    @router.get("/entities", openapi_extra=describe("List entities", query=LIST_PARAMETERS, answers={200: LIST}))
    async def list_entities(request: Request) -> Response:
        query = parse_query(request, LIST_PARAMETERS)
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "all", "query": query}):
            asked = parse_filters(query.get("filter", []))
            projection = parse_fields(query.get("fields", []))
            orders = [_parse_order(order) for order in query.get("order", [])]
            predicate = both(asked, await access.readable(request.state.credentials))
            if {"limit", "offset", "after"} & query.keys():
                return await _answer_slice(database, request, query, predicate, orders, projection)
            if not orders and not projection and predicate != NOTHING:
                return await _answer_dump(database, served, predicate)
            return await _answer_stream(database, predicate, orders, projection)

    @router.post(
        "/entities/by-refs",
        openapi_extra=describe(
            "Entities by reference, in the order asked for",
            query=BY_REFS_PARAMETERS,
            body=BY_REFS_BODY,
            answers={200: BY_REFS},
        ),
    )
    async def get_entities_by_refs(request: Request) -> Response:
        query, body = await read_sent(request, BY_REFS_PARAMETERS, BY_REFS_BODY)
        if "entityRefs" not in body:
            raise InputError(
                "Malformed request body (did you remember to specify an application/json content type?), "
                'Validation error: Required at "entityRefs"'
            )
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "by-refs"}) as event:
            asked = clean_predicate(body["query"]) if "query" in body else None
            filtered = parse_filters(query.get("filter", []))
            projection = parse_fields(body.get("fields", []))
            # What a predicate means is looked at only where there is an entity to look for, as in the stock backend.
            meaning = None if asked is None or not body["entityRefs"] else read_predicate(asked)
            readable = await access.readable(request.state.credentials)
            predicate = both(filtered, meaning, readable)
            found = await _find_by_refs(database, served, body["entityRefs"], predicate)
            told = {"entityRefs": "entityRefs", "fields": "fields", "query": "filter"}
            event.meta |= {told[name]: body[name] for name in told if name in body}
        return answer_entities(request, encode_object([("items", encode_array(found, projection))]), projection)


def _add_single(
    router: APIRouter, database: Database, served: Served, access: Access, service: CatalogService, auditor: Auditor
) -> None:
    @router.get("/entities/by-uid/{uid}", openapi_extra=describe("An entity by its uid", answers={200: ENTITY}))
    async def get_entity_by_uid(request: Request, uid: str) -> Response:
        parse_query(request, {})
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "by-uid", "uid": uid}) as event:
            readable = await access.readable(request.state.credentials)
            entity = await _find_by_uid(database, served, uid, both(readable))
            if entity is None:
                raise NotFoundError(f"No entity with uid {uid}")
            event.meta["entities"] = [_ref_of(entity)]
        return raw_json_response(encode_entity(entity, ()))

    @router.delete(
        "/entities/by-uid/{uid}",
        openapi_extra=describe("Remove an entity until it is emitted again", answers={204: None}),
    )
    async def delete_entity_by_uid(request: Request, uid: str) -> Response:
        parse_query(request, {})
        meta = {"actionType": "delete", "uid": uid}
        with auditor.asked(request.scope, "entity-mutate", severity="medium", meta=meta):
            async with database.read() as connection:
                entity = await select_by_uid(connection, uid)
            ref = None if entity is None else _ref_of(entity)
            await access.require(request.state.credentials, CATALOG_ENTITY_DELETE, ref)
            await service.delete_entity(uid)
        return Response(status_code=204)

    @router.get(
        "/entities/by-name/{kind}/{namespace}/{name}",
        openapi_extra=describe("An entity by its reference", answers={200: ENTITY}),
    )
    async def get_entity_by_name(request: Request, kind: str, namespace: str, name: str) -> Response:
        parse_query(request, {})
        ref = f"{kind}:{namespace}/{name}".lower()
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "by-name", "entityRef": ref}):
            readable = await access.readable(request.state.credentials)
            [entity] = await _find_by_refs(database, served, [ref], both(readable))
            if entity is None:
                raise NotFoundError(f"No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'")
        return raw_json_response(encode_entity(entity, ()))


def _add_ancestry(router: APIRouter, database: Database, access: Access, auditor: Auditor) -> None:
    @router.get(
        "/entities/by-name/{kind}/{namespace}/{name}/ancestry",
        openapi_extra=describe("An entity and all that it comes from", answers={200: ANCESTRY}),
    )
    async def get_entity_ancestry(request: Request, kind: str, namespace: str, name: str) -> Response:
        parse_query(request, {})
        ref = f"{kind}:{namespace}/{name}".lower()
        with auditor.asked(request.scope, "entity-fetch", meta={"actionType": "ancestry", "entityRef": ref}) as event:
            readable = await access.readable(request.state.credentials)
            async with database.read() as connection:
                entities, parents = await select_ancestry(connection, ref, both(readable))
            if not entities and readable is not None:
                # Whether it exists is not told to those who may not read everything.
                raise NotAllowedError("")
            if not entities:
                raise NotFoundError(f"No such entity {ref}")
            ordered = list(order_ancestry(ref, entities.keys(), parents))
            links = [{"entityRef": item, "parentEntityRefs": above} for item, above in ordered]
            event.meta |= {"rootEntityRef": ref, "ancestry": links}
        items = [
            encode_object([("entity", entities[item].encode()), ("parentEntityRefs", orjson.dumps(above))])
            for item, above in ordered
        ]
        body = encode_object([("rootEntityRef", orjson.dumps(ref)), ("items", encode_array(items, ()))])
        return answer_with_etag(request, body)


class _Slice(NamedTuple):
    limit: int | None
    offset: int


async def _answer_slice(
    database: Database,
    request: Request,
    query: dict[str, Any],
    predicate: Predicate,
    orders: Sequence[tuple[str, bool]],
    projection: Projection,
) -> Response:
    limit, offset = _parse_slice(query)
    if predicate == NOTHING:
        return json_response([])
    async with database.read() as connection:
        rows = await select_list(
            connection, predicate, orders=orders, limit=None if limit is None else limit + 1, offset=offset
        )
    headers = {}
    if limit is not None and len(rows) > limit:
        headers["link"] = _next_link(request, limit, offset + limit)
        rows = rows[:limit]
    body = encode_array(rows, projection)
    return answer_with_etag(request, body, headers=headers) if projection else raw_json_response(body, headers=headers)


def _parse_slice(query: dict[str, Any]) -> _Slice:
    if query.get("limit") == 0:
        raise InputError("Invalid limit, must be greater than zero")
    if "after" not in query:
        return _Slice(query.get("limit"), query.get("offset", 0))
    try:
        cursor = orjson.loads(decode_base64(query["after"]))
    except ValueError as error:
        raise InputError("Malformed after cursor, could not be parsed") from error
    if cursor is None:
        raise InputError("Malformed after cursor, could not be parsed")
    inside = cursor if isinstance(cursor, dict) else {}
    for name, article in (("limit", "an"), ("offset", "a")):
        value = inside.get(name, 0)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or value != int(value)
            or not 0 <= value < 2**53
        ):
            raise InputError(f"Malformed after cursor, {name} was not {article} number")
    limit = inside.get("limit", query.get("limit"))
    return _Slice(None if limit is None else int(limit), int(inside.get("offset", query.get("offset", 0))))


def _next_link(request: Request, limit: int, offset: int) -> str:
    after = base64.b64encode(orjson.dumps({"limit": limit, "offset": offset})).decode()
    sent = request.query_params.multi_items()
    kept = [(name, after if name == "after" else value) for name, value in sent if name != "offset"]
    if "after" not in request.query_params:
        kept.append(("after", after))
    # As URLSearchParams writes them: of the marks that Python leaves alone it escapes `~`, and leaves `*`.
    query = urlencode(kept, safe="*").replace("~", "%7E")
    return f'<{sent_path(request.scope)}?{query}>; rel="next"'


def _parse_order(text: str) -> tuple[str, bool]:
    direction, _, field = text.partition(":")
    if direction not in ("asc", "desc") or not field:
        raise InputError(f'Invalid order parameter "{text}", expected "<asc or desc>:<field name>"')
    return field, direction == "desc"


async def _answer_stream(
    database: Database, predicate: Predicate, orders: Sequence[tuple[str, bool]], projection: Projection
) -> Response:
    """All entities, in chunks of one page each: a slow client holds neither a transaction nor the whole list."""
    field, descending = (orders[0][0].lower(), orders[0][1]) if orders else (None, False)

    async def page(after: tuple[str | None, str] | None) -> list[Any]:
        async with database.read() as connection:
            return list(
                await select_page(
                    connection,
                    predicate,
                    order=field,
                    descending=descending,
                    text=None,
                    after=after,
                    backwards=False,
                    limit=STREAM_PAGE,
                    offset=0,
                )
            )

    first = await page(None) if predicate != NOTHING else []
    if len(first) < STREAM_PAGE:
        return raw_json_response(encode_array((row.final_entity for row in first), projection))

    async def chunks() -> AsyncIterator[bytes]:
        rows, opening = first, b"["
        while rows:
            yield opening + b",".join(encode_entity(row.final_entity, projection) for row in rows)
            opening = b","
            rows = await page((rows[-1].sorted_by, rows[-1].uid)) if len(rows) == STREAM_PAGE else []
        yield b"]"

    return StreamingResponse(chunks(), media_type=JSON_TYPE)


async def _find_by_refs(
    database: Database, served: Served, refs: Sequence[str], predicate: Predicate
) -> Sequence[str | bytes | None]:
    snapshot = await served.find(predicate, values=refs)
    if snapshot is not None:
        return snapshot.by_refs(refs, predicate)
    async with database.read() as connection:
        found = await select_by_refs(connection, refs, predicate)
    return [found.get(ref) for ref in refs]


async def _find_by_uid(database: Database, served: Served, uid: str, predicate: Predicate) -> str | bytes | None:
    snapshot = await served.find(predicate, values=[uid])
    if snapshot is not None:
        return snapshot.by_uid(uid, predicate)
    async with database.read() as connection:
        return await select_by_uid(connection, uid, predicate)


async def _answer_dump(database: Database, served: Served, predicate: Predicate) -> Response:
    """All entities as they are stored, by uid."""
    snapshot = await served.find(predicate)
    if snapshot is not None:
        return _answer_parts(snapshot.dump(predicate))

    async def part(after: str) -> Dump:
        async with database.read() as connection:
            return await select_dump(connection, predicate, after=after, limit=STREAM_PAGE)

    first = await part("")
    if first.entities < STREAM_PAGE:
        return raw_json_response(f"[{first.json}]".encode())

    async def chunks() -> AsyncIterator[bytes]:
        dump, opening = first, "["
        while dump.entities:
            yield (opening + dump.json).encode()
            opening = ","
            if dump.entities < STREAM_PAGE:
                break
            dump = await part(dump.last_uid)
        yield b"]"

    return StreamingResponse(chunks(), media_type=JSON_TYPE)


def _answer_parts(parts: Iterator[bytes]) -> Response:
    """An array whose items come in parts."""
    first, second = next(parts, b""), next(parts, None)
    if second is None:
        return raw_json_response(b"[" + first + b"]")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"[" + first
        for part in chain((second,), parts):
            yield b"," + part
        yield b"]"

    return StreamingResponse(chunks(), media_type=JSON_TYPE)


def _ref_of(entity: str | bytes) -> str:
    content = orjson.loads(entity)
    metadata = content["metadata"]
    return f"{content['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()
