"""The OpenAPI document of a plugin, from declarations to schemas."""

from fastapi import APIRouter, FastAPI, Request, Response
from httpx import ASGITransport, AsyncClient

from understage.platform.openapi import STRING, Body, Text, describe, make_document, object_of
from understage.platform.plugin import create_plugin
from understage.platform.requests import Member, Parameter

QUERY = {
    "name": Parameter(required=True),
    "tags": Parameter("list"),
    "limit": Parameter("integer", minimum=1),
    "order": Parameter(choices=("asc", "desc")),
}
BODY = Body(
    {
        "refs": Member("array", required=True, items="string"),
        "parts": Member("array", items="object", members={"id": Member("string", required=True)}, additional=False),
        "size": Member("number", minimum=0),
        "mode": Member("string", choices=("a", "b")),
    },
    additional=False,
)


def create_router() -> APIRouter:
    router = APIRouter()

    @router.put(
        "/things/{thing_id}",
        openapi_extra=describe(
            "Change a thing", query=QUERY, body=BODY, answers={200: object_of({"id": STRING}), 202: None}
        ),
    )
    async def change_thing(_request: Request) -> Response:
        return Response()

    @router.get("/text", openapi_extra=describe("A text", answers={200: Text("text/markdown")}))
    async def get_text(_request: Request) -> Response:
        return Response()

    @router.get("/open")
    async def get_open_door(_request: Request) -> Response:
        return Response()

    return router


def test_declarations_become_schemas() -> None:
    document = make_document("shop", [create_router()], prefix="/api/shop", public_paths=["/open"])

    operation = document["paths"]["/api/shop/things/{thing_id}"]["put"]
    assert operation["operationId"] == "changeThing"
    assert operation["parameters"] == [
        {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[^/]+$"}},
        {"name": "name", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}},
        {
            "name": "tags",
            "in": "query",
            "required": False,
            "schema": {"type": "array", "items": {"type": "string", "minLength": 1}},
        },
        {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1}},
        {
            "name": "order",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "enum": ["asc", "desc"]},
        },
    ]
    part = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}},
        "additionalProperties": False,
    }
    assert operation["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["refs"],
                    "properties": {
                        "refs": {"type": "array", "items": {"type": "string"}},
                        "parts": {"type": "array", "items": part},
                        "size": {"type": "number", "minimum": 0},
                        "mode": {"type": "string", "enum": ["a", "b"]},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
    assert set(operation["responses"]) == {"200", "202", "default"}
    assert "content" not in operation["responses"]["202"]
    text = document["paths"]["/api/shop/text"]["get"]["responses"]["200"]
    assert text["content"] == {"text/markdown": {"schema": {"type": "string"}}}


def test_routes_without_a_description_are_there_all_the_same() -> None:
    document = make_document("shop", [create_router()], prefix="", public_paths=["/open"])

    operation = document["paths"]["/open"]["get"]
    assert operation["summary"] == "Get open door"
    assert operation["security"] == []
    assert "security" not in document["paths"]["/text"]["get"]
    assert document["security"] == [{"bearer": []}]


async def test_a_plugin_serves_it_with_the_path_where_it_is_mounted() -> None:
    async def authenticate(_request: Request) -> str:
        return "somebody"

    web = FastAPI()
    web.mount("/api/shop", create_plugin("shop", [create_router()], authenticate=authenticate))
    async with AsyncClient(transport=ASGITransport(web), base_url="http://test") as client:
        document = (await client.get("/api/shop/openapi.json")).json()
    assert document["openapi"] == "3.0.3"
    assert set(document["paths"]) == {
        "/api/shop/things/{thing_id}",
        "/api/shop/text",
        "/api/shop/open",
        "/api/shop/openapi.json",
    }
