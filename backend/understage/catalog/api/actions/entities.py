"""Actions about entities: get one by name, query, refresh."""

import math
from typing import Any

import orjson

from understage.catalog.access import Access
from understage.catalog.api.query import question_of_body
from understage.catalog.predicate import NOTHING
from understage.catalog.query.entities import Page, Question, query_entities
from understage.catalog.query.fields import parse_fields, project
from understage.catalog.service import CatalogService
from understage.errors import ConflictError, InputError
from understage.identity.actions import OfferedAction, schema_of
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import CATALOG_ENTITY_REFRESH
from understage.model.ref import entity_ref
from understage.platform.database import Database

TEXT = {"type": "string"}
NOT_EMPTY = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT}
ANY_OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}
KIND = "Kind of the entity; needed where several kinds have the name."
NAMESPACE = "Namespace of the entity; needed where several namespaces have the name."

# References within the schema, as the stock one has them: a predicate is made of predicates.
_SCALAR_AT = {"$ref": "#/properties/query/anyOf/0/anyOf/0/additionalProperties/anyOf/0"}
_QUERY_AT = {"$ref": "#/properties/query"}


def _operator(name: str, value: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}


PREDICATE = {
    "anyOf": [
        {
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [
                            {"type": ["string", "number", "boolean"]},
                            _operator("$exists", {"type": "boolean"}),
                            _operator("$in", {"type": "array", "items": _SCALAR_AT}),
                            _operator("$contains", _QUERY_AT),
                            _operator("$hasPrefix", TEXT),
                        ]
                    },
                    "propertyNames": {"pattern": "^(?:[^$\\n\\r].*)?$"},
                },
                {"type": "object", "additionalProperties": {"not": {}}, "propertyNames": {"pattern": "^\\$"}},
            ]
        },
        _SCALAR_AT,
        _operator("$all", {"type": "array", "items": _QUERY_AT}),
        _operator("$any", {"type": "array", "items": _QUERY_AT}),
        _operator("$not", _QUERY_AT),
    ],
    "description": "What entities must satisfy: fields with values, and $all, $any, $not, $exists, $in, $contains, $hasPrefix.",
}
ORDER = {
    "type": "object",
    "properties": {
        "field": {**TEXT, "description": "Dotted path of the field, such as metadata.name."},
        "order": {"type": "string", "enum": ["asc", "desc"], "description": "Direction."},
    },
    "required": ["field", "order"],
    "additionalProperties": False,
}
QUERY_INPUT = schema_of(
    {
        "query": PREDICATE,
        "fields": {**TEXTS, "description": "Dotted paths of the fields to answer; all when left out."},
        "limit": {"type": "integer", "exclusiveMinimum": 0, "description": "At most how many entities."},
        "offset": {"type": "integer", "minimum": 0, "description": "How many entities to leave out before."},
        "orderFields": {"anyOf": [ORDER, {"type": "array", "items": ORDER}], "description": "The order."},
        "fullTextFilter": {
            "type": "object",
            "properties": {
                "term": {**TEXT, "description": "The text to look for."},
                "fields": {**TEXTS, "description": "Where to look for it."},
            },
            "required": ["term"],
            "additionalProperties": False,
            "description": "Full text search.",
        },
        "cursor": {**TEXT, "description": "nextPageCursor of the page before."},
    }
)
QUERY_OUTPUT = schema_of(
    {
        "items": {"type": "array", "items": ANY_OBJECT, "description": "The entities of the page."},
        "totalItems": {"type": "number", "description": "How many there are on all pages."},
        "hasMoreEntities": {"type": "boolean", "description": "Whether there is another page."},
        "nextPageCursor": {**TEXT, "description": "What to pass as cursor to get it."},
    },
    ["items", "totalItems", "hasMoreEntities"],
)


def create_entity_actions(
    database: Database, access: Access, service: CatalogService, auditor: Auditor
) -> tuple[OfferedAction, OfferedAction, OfferedAction]:
    """`get-catalog-entity`, `query-catalog-entities`, `refresh-catalog-entity`."""

    async def ask(question: Question, credentials: Credentials) -> Page:
        with auditor.event("entity-fetch", credentials=credentials, meta={"queryType": "by-query"}):
            readable = await access.readable(credentials)
            if readable == NOTHING:
                return Page([], 0)
            async with database.read() as connection:
                return await query_entities(connection, question, readable)

    async def find(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        keys = {"metadata.name": "name", "kind": "kind", "metadata.namespace": "namespace"}
        query = {key: input[name] for key, name in keys.items() if input.get(name)}
        items = [orjson.loads(item) for item in (await ask(Question(query), credentials)).items]
        name = input["name"]
        if not items:
            raise InputError(f'No entity found with name "{name}"')
        if len(items) > 1:
            refs = ", ".join(f'"{entity_ref(item)}"' for item in items)
            raise ConflictError(
                f'Multiple entities found with name "{name}", please provide more specific filters. '
                f"Entities found: {refs}"
            )
        entity: dict[str, Any] = items[0]
        return entity

    async def query(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        orders = input.get("orderFields", [])
        sent: dict[str, Any] = {
            name: input[name] for name in ("query", "limit", "offset", "fullTextFilter", "cursor") if name in input
        }
        if "query" not in sent:
            # The stock client asks by GET then, and the cursors of GET always carry a full text filter.
            sent.setdefault("fullTextFilter", {"term": ""})
        question = question_of_body({**sent, "orderBy": orders if isinstance(orders, list) else [orders]})
        page = await ask(question, credentials)
        projection = parse_fields(input.get("fields", []))
        items = [orjson.loads(item) for item in page.items]
        return {
            "items": [project(item, projection) for item in items] if projection else items,
            "totalItems": page.total,
            "hasMoreEntities": page.next_cursor is not None,
            **({} if page.next_cursor is None else {"nextPageCursor": page.next_cursor}),
        }

    async def refresh(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        ref = entity_ref(await find(input, credentials))
        meta = {"queryType": "refresh", "entityRef": ref}
        with auditor.event("entity-mutate", credentials=credentials, severity="medium", meta=meta):
            await access.require(credentials, CATALOG_ENTITY_REFRESH, ref)
            await service.refresh(ref)
        return {"entityRef": ref}

    return (
        OfferedAction(
            "get-catalog-entity",
            "Get Catalog Entity",
            "Gives one entity of the catalog by its name; kind and namespace say which one, where several have it.",
            schema_of(
                {
                    "kind": {**TEXT, "description": KIND},
                    "namespace": {**TEXT, "description": NAMESPACE},
                    "name": {**TEXT, "description": "Name of the entity."},
                },
                ["name"],
            ),
            schema_of({}, additional=True),
            run=find,
            read_only=True,
            idempotent=True,
        ),
        OfferedAction(
            "query-catalog-entities",
            "Query Catalog Entities",
            "Searches the catalog by a predicate over fields, by full text, or both, and gives a page of entities. "
            'For example {"query": {"kind": "component", "spec.type": "service"}, "limit": 20}. '
            "What fields and relations there are, get-catalog-model-description tells.",
            QUERY_INPUT,
            QUERY_OUTPUT,
            run=query,
            read_only=True,
            idempotent=True,
            prepare=_with_numbers,
        ),
        OfferedAction(
            "refresh-catalog-entity",
            "Refresh Catalog Entity",
            "Has the catalog read an entity and the files it comes from again, soon and in the background.",
            schema_of(
                {
                    "kind": {**NOT_EMPTY, "description": KIND},
                    "namespace": {**NOT_EMPTY, "description": NAMESPACE},
                    "name": {**NOT_EMPTY, "description": "Name of the entity."},
                },
                ["name"],
            ),
            schema_of({"entityRef": {**TEXT, "description": "Full reference of the entity."}}, ["entityRef"]),
            run=refresh,
            idempotent=True,
            destructive=False,
            prepare=_with_trimmed_name,
        ),
    )


def _with_numbers(input: Any) -> Any:
    """Numbers may be sent as texts: assistants do."""
    if not isinstance(input, dict):
        return input
    return {name: _number(value) if name in ("limit", "offset") else value for name, value in input.items()}


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return value if not math.isfinite(number) else int(number) if number.is_integer() else number


def _with_trimmed_name(input: Any) -> Any:
    if isinstance(input, dict) and isinstance(input.get("name"), str):
        return {**input, "name": input["name"].strip()}
    return input
