"""`/entities/by-query` and `/entity-facets`, by GET and by POST."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import answer_entities, answer_with_etag, encode_array, encode_object
from understage.catalog.predicate import NOTHING, Predicate, both
from understage.catalog.query.cursor import FullText, Order, decode_cursor
from understage.catalog.query.entities import (
    DEFAULT_LIMIT,
    Page,
    Question,
    Totals,
    query_entities,
    query_served,
    question_of,
)
from understage.catalog.query.facets import FacetCounter
from understage.catalog.query.fields import Projection, parse_fields
from understage.catalog.query.filter import parse_filters, wire_of_filters
from understage.catalog.query.predicates import clean_predicate, parse_predicate
from understage.catalog.query.served import Served
from understage.errors import InputError
from understage.identity.audit import AuditEvent, Auditor
from understage.platform.database import Database
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.requests import Body, Member, Parameter, parse_query, read_sent

QUERY_PARAMETERS = {
    "fields": Parameter("list"),
    "limit": Parameter("integer", minimum=0),
    "offset": Parameter("integer", minimum=0),
    "orderField": Parameter("list"),
    "cursor": Parameter(),
    "filter": Parameter("list"),
    "totalItems": Parameter(choices=("include", "exclude")),
    "fullTextFilterTerm": Parameter(),
    "fullTextFilterFields": Parameter("list"),
}

QUERY_BODY = Body(
    {
        "cursor": Member("string"),
        "limit": Member("number"),
        "offset": Member("number"),
        "orderBy": Member(
            "array",
            items="object",
            members={
                "field": Member("string", required=True),
                "order": Member("string", required=True, choices=("asc", "desc")),
            },
        ),
        "fullTextFilter": Member(
            "object", members={"term": Member("string"), "fields": Member("array", items="string")}
        ),
        "fields": Member("array", items="string"),
        "totalItems": Member("string", choices=("include", "exclude")),
        "query": Member("object"),
    },
    required=False,
)
MOST_TOTALS = 1024
FACET_PARAMETERS = {"facet": Parameter("list", required=True), "filter": Parameter("list")}
FACET_BODY = Body({"facets": Member("array", required=True, items="string"), "query": Member("object")})

PAGE = object_of(
    {
        "items": array_of(OBJECT),
        "totalItems": {"type": "integer"},
        "pageInfo": object_of({}, {"nextCursor": STRING, "prevCursor": STRING}),
    }
)
FACETS = object_of(
    {
        "facets": {
            "type": "object",
            "additionalProperties": array_of(object_of({"value": STRING, "count": {"type": "integer"}})),
        }
    }
)


def create_query_router(database: Database, served: Served, access: Access, auditor: Auditor) -> APIRouter:
    """The routes."""
    router = APIRouter()
    _add_pages(router, database, served, access, auditor)
    _add_facets(router, database, access, auditor)
    return router


def _add_pages(router: APIRouter, database: Database, served: Served, access: Access, auditor: Auditor) -> None:
    totals = Totals(MOST_TOTALS)

    async def answer(request: Request, event: AuditEvent, question: Question, projection: Projection) -> Response:
        readable = await access.readable(request.state.credentials)
        if readable == NOTHING:
            page = Page([], 0)
        elif (found := await query_served(served, question, readable)) is not None:
            page = found
        else:
            async with database.read() as connection:
                page = await query_entities(connection, question, readable, totals)
        cursors = {"nextCursor": page.next_cursor, "prevCursor": page.previous_cursor}
        info = {name: value for name, value in cursors.items() if value is not None}
        event.meta |= {"totalItems": page.total, "pageInfo": info}
        body = encode_object(
            [
                ("items", encode_array(page.items, projection)),
                ("totalItems", orjson.dumps(page.total)),
                ("pageInfo", orjson.dumps(info)),
            ]
        )
        return answer_entities(request, body, projection)

    @router.get(
        "/entities/by-query",
        openapi_extra=describe("A page of entities", query=QUERY_PARAMETERS, answers={200: PAGE}),
    )
    async def get_entities_by_query(request: Request) -> Response:
        query = parse_query(request, QUERY_PARAMETERS)
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "by-query"}) as event:
            projection = parse_fields(query.get("fields", []))
            return await answer(request, event, _question_of_parameters(query), projection)

    @router.post(
        "/entities/by-query",
        openapi_extra=describe("A page of entities that satisfy a predicate", body=QUERY_BODY, answers={200: PAGE}),
    )
    async def query_entities_by_predicate(request: Request) -> Response:
        _, body = await read_sent(request, {}, QUERY_BODY)
        with auditor.asked(request.scope, "entity-fetch", meta={"queryType": "by-query"}) as event:
            return await answer(request, event, question_of_body(body), parse_fields(body.get("fields", [])))


def _add_facets(router: APIRouter, database: Database, access: Access, auditor: Auditor) -> None:
    facet_counter = FacetCounter()

    async def answer(request: Request, names: list[str], predicate: Predicate) -> Response:
        readable = await access.readable(request.state.credentials)
        counts: dict[str, list[tuple[str, int]]] = {}
        if readable != NOTHING:
            keys = list(dict.fromkeys(name.lower() for name in names))
            async with database.read() as connection:
                counts = await facet_counter.count(connection, keys, both(predicate, readable))
        facets = {
            name: [{"value": value, "count": count} for value, count in counts.get(name.lower(), [])] for name in names
        }
        return answer_with_etag(request, orjson.dumps({"facets": facets}))

    @router.get(
        "/entity-facets",
        openapi_extra=describe("Count entities by values", query=FACET_PARAMETERS, answers={200: FACETS}),
    )
    async def get_entity_facets(request: Request) -> Response:
        query = parse_query(request, FACET_PARAMETERS)
        with auditor.asked(request.scope, "entity-facets"):
            predicate = parse_filters(query.get("filter", []))
            names = [name for name in query["facet"] if name]
            if not names:
                raise InputError("Missing facet parameter")
            return await answer(request, names, predicate)

    @router.post(
        "/entity-facets",
        openapi_extra=describe(
            "Count the entities that satisfy a predicate by values", body=FACET_BODY, answers={200: FACETS}
        ),
    )
    async def query_entity_facets(request: Request) -> Response:
        _, body = await read_sent(request, {}, FACET_BODY)
        with auditor.asked(request.scope, "entity-facets"):
            names = [name for name in body["facets"] if name]
            if not names:
                raise InputError("Missing or empty facets parameter")
            return await answer(request, names, parse_predicate(body.get("query", {})))


def _question_of_parameters(query: dict[str, Any]) -> Question:
    limit = query.get("limit", DEFAULT_LIMIT)
    if "cursor" in query:
        return question_of(decode_cursor(query["cursor"]), limit)
    wire = wire_of_filters(query.get("filter", []))
    orders = tuple(_parse_order_field(text) for text in query.get("orderField", []))
    fields = [name for item in query.get("fullTextFilterFields", []) for name in item.split(",")]
    return Question(
        query=wire,
        orders=orders,
        full_text=FullText(query.get("fullTextFilterTerm", ""), tuple(fields) if fields else None),
        limit=limit,
        offset=query.get("offset", 0),
        with_total=query.get("totalItems") != "exclude",
    )


def _parse_order_field(text: str) -> Order:
    field, *rest = text.split(",")
    if rest and rest[0] not in ("asc", "desc"):
        raise InputError("Invalid order field order, must be asc or desc")
    return Order(field, rest[:1] == ["desc"])


def question_of_body(body: dict[str, Any]) -> Question:
    """What a checked body asks. Raises InputError for malformed cursors, orders and predicates."""
    if "cursor" in body:
        if not body["cursor"]:
            raise InputError("Cursor cannot be empty")
        return question_of(decode_cursor(body["cursor"]), _integer(body, "limit", DEFAULT_LIMIT))
    return Question(
        query=clean_predicate(body["query"]) if "query" in body else None,
        orders=_orders_of_body(body.get("orderBy", [])),
        full_text=_full_text_of_body(body["fullTextFilter"]) if "fullTextFilter" in body else None,
        limit=_integer(body, "limit", DEFAULT_LIMIT),
        offset=_integer(body, "offset", 0),
        with_total=body.get("totalItems") != "exclude",
    )


def _integer(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if value < 0:
        raise InputError(f"request/body/{name} must be >= 0")
    if value != int(value):
        raise InputError(f"request/body/{name} must be integer")
    return int(value)


def _orders_of_body(items: list[dict[str, Any]]) -> tuple[Order, ...]:
    return tuple(Order(item["field"], item["order"] == "desc") for item in items)


def _full_text_of_body(value: dict[str, Any]) -> FullText:
    return FullText(value.get("term", ""), tuple(value["fields"]) if "fields" in value else None)
