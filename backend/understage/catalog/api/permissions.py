"""`/.well-known/backstage/permissions/…`: what may be permitted in the catalog, and whether entities satisfy conditions.

The permission backend asks here when a policy answers with conditions about an entity that is named
(Backstage permission-node 0.11.4).
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from understage.catalog.access import predicate_of
from understage.catalog.api.answers import read_members
from understage.catalog.store.select_by_refs import select_by_refs
from understage.errors import InputError, NotAllowedError, UnderstageError
from understage.identity.credentials import Credentials, ServicePrincipal, UserPrincipal
from understage.identity.permissions import CATALOG_ENTITY, CATALOG_PERMISSIONS, parse_criteria
from understage.platform.database import Database
from understage.platform.openapi import OBJECT, Body, any_of, array_of, describe, object_of
from understage.platform.openapi import STRING as TEXT
from understage.platform.plugin import json_response
from understage.platform.requests import Member

PATH = "/.well-known/backstage/permissions"
STRING = "string"
STRINGS = "array"

# rule, description, parameters: (name, type, required, description)
Parameters = Sequence[tuple[str, str, bool, str]]
RULES: Sequence[tuple[str, str, Parameters]] = (
    (
        "HAS_ANNOTATION",
        "Allow entities with the specified annotation",
        (
            ("annotation", STRING, True, "Name of the annotation to match on"),
            ("value", STRING, False, "Value of the annotation to match on"),
        ),
    ),
    (
        "HAS_LABEL",
        "Allow entities with the specified label",
        (
            ("label", STRING, True, "Name of the label to match on"),
            ("value", STRING, False, "Value of the label to match on"),
        ),
    ),
    (
        "HAS_METADATA",
        "Allow entities with the specified metadata subfield",
        (
            ("key", STRING, True, "Property within the entities metadata to match on"),
            ("value", STRING, False, "Value of the given property to match on"),
        ),
    ),
    (
        "HAS_SPEC",
        "Allow entities with the specified spec subfield",
        (
            ("key", STRING, True, "Property within the entities spec to match on"),
            ("value", STRING, False, "Value of the given property to match on"),
        ),
    ),
    (
        "IS_ENTITY_KIND",
        "Allow entities matching a specified kind",
        (("kinds", STRINGS, True, "List of kinds to match at least one of"),),
    ),
    (
        "IS_ENTITY_OWNER",
        "Allow entities owned by a specified claim",
        (("claims", STRINGS, True, "List of claims to match at least one on within ownedBy"),),
    ),
)

QUESTION = {
    "resourceType": Member("string", required=True),
    "conditions": Member("object", required=True),
    "id": Member("string", required=True),
}
QUESTIONS = Body({"items": Member("array", required=True, items="object", members=QUESTION)})
METADATA = object_of({"permissions": array_of(OBJECT), "rules": array_of(OBJECT)})
DECISIONS = object_of({"items": array_of(object_of({"id": TEXT, "result": any_of(TEXT, array_of(TEXT))}))})


def create_permissions_router(database: Database) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get(
        f"{PATH}/metadata",
        openapi_extra=describe("Permissions of the catalog, and rules for conditions", answers={200: METADATA}),
    )
    async def get_metadata(_request: Request) -> Response:
        permissions = [permission.to_wire() for permission in CATALOG_PERMISSIONS]
        rules = [_describe(name, description, parameters) for name, description, parameters in RULES]
        return json_response({"permissions": permissions, "rules": rules})

    @router.post(
        f"{PATH}/apply-conditions",
        openapi_extra=describe("Whether entities satisfy conditions", body=QUESTIONS, answers={200: DECISIONS}),
    )
    async def apply_conditions(request: Request) -> Response:
        _require_service(request.state.credentials)
        body = await read_members(request, QUESTIONS)
        questions: list[dict[str, Any]] = body["items"]
        foreign = dict.fromkeys(item["resourceType"] for item in questions if item["resourceType"] != CATALOG_ENTITY)
        if foreign:
            raise InputError(f"Unexpected resource types: {', '.join(foreign)}.")
        results = [{"id": item["id"], "result": await _decide(database, item)} for item in questions]
        return json_response({"items": results})

    return router


def _require_service(credentials: Credentials) -> None:
    match credentials.principal:
        case ServicePrincipal() | UserPrincipal(actor=str()):
            return
    raise NotAllowedError("")


async def _decide(database: Database, question: dict[str, Any]) -> str | list[str]:
    """ALLOW or DENY for the entity asked about, or for each of a list; DENY for one that does not exist."""
    asked = question.get("resourceRef")
    sent: list[Any] = asked if isinstance(asked, list) else [asked]
    refs = [ref.lower() for ref in sent if isinstance(ref, str)]
    if len(refs) != len(sent):
        raise InputError("resourceRef must be an entity reference or a list of them")
    try:
        predicate = predicate_of(parse_criteria(question["conditions"]))
    except UnderstageError as error:
        raise InputError(error.message) from error
    async with database.read() as connection:
        found = await select_by_refs(connection, refs, predicate)
    results = ["ALLOW" if ref in found else "DENY" for ref in refs]
    return results if isinstance(asked, list) else results[0]


def _describe(name: str, description: str, parameters: Parameters) -> dict[str, Any]:
    properties = {
        parameter: {"type": STRINGS, "items": {"type": STRING}, "description": about}
        if type == STRINGS
        else {"type": STRING, "description": about}
        for parameter, type, _, about in parameters
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": [parameter for parameter, _, required, _ in parameters if required],
        "additionalProperties": False,
        "$schema": "http://json-schema.org/draft-07/schema#",
    }
    return {"name": name, "description": description, "resourceType": CATALOG_ENTITY, "paramsSchema": schema}
