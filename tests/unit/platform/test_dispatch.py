"""Requests are answered by the same function, with the same arguments, as by FastAPI's own way."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from understage.platform.dispatch import Dispatch, answered_by

REQUESTS = [
    ("GET", "/things"),
    ("GET", "/things/by-query?limit=1"),
    ("POST", "/things/by-query"),
    ("GET", "/things/one"),
    ("GET", "/things/a%20b"),
    ("GET", "/things/a/b/c"),
    ("GET", "/things/a.b/b/c/parts"),
    ("GET", "/v1.0/file.json"),
    ("GET", "/v1x0/file.json"),
    ("DELETE", "/things/one"),
    ("HEAD", "/things"),
    ("PATCH", "/things"),
    ("GET", "/"),
    ("GET", "/things//b/c"),
]


def make_router() -> APIRouter:
    router = APIRouter()

    def told(name: str, request: Request, /, **parameters: Any) -> Response:
        return Response(f"{name} {request.method} {request.url.query} {sorted(parameters.items())}")

    @router.get("/things")
    async def list_things(request: Request) -> Response:
        return told("list", request)

    @router.get("/things/by-query")
    async def query_things(request: Request) -> Response:
        return told("query", request)

    @router.get("/things/{name}")
    async def get_thing(request: Request, name: str) -> Response:
        return told("one", request, name=name)

    @router.get("/things/{kind}/{namespace}/{name}")
    async def get_named(request: Request, kind: str, namespace: str, name: str) -> Response:
        return told("named", request, kind=kind, namespace=namespace, name=name)

    @router.get("/things/{kind}/{namespace}/{name}/parts")
    async def get_parts(request: Request, kind: str, namespace: str, name: str) -> Response:
        return told("parts", request, kind=kind, namespace=namespace, name=name)

    @router.get("/v1.0/file.json")
    async def get_file() -> Response:
        return Response("file")

    @router.delete("/things/{name}")
    async def delete_thing(name: str) -> Response:
        return Response(f"deleted {name}")

    return router


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_same_answer_as_fastapi(method: str, path: str) -> None:
    router = make_router()
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(router)
    dispatch = Dispatch([router])
    known = []

    async def short(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = dispatch.find(scope["method"], scope["path"])
        known.append(endpoint is not None)
        await (app if endpoint is None else answered_by(endpoint))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        expected = await client.request(method, path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(short), base_url="http://test") as client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.content) == (expected.status_code, expected.content)
    assert known == [expected.status_code == 200]


def test_what_fastapi_would_do_more_for_is_left_to_it() -> None:
    router = APIRouter()

    @router.get("/numbers/{number}")
    async def get_number(number: int) -> Response:
        return Response(str(number))

    @router.get("/after")
    async def get_after() -> Response:
        return Response("after")

    dispatch = Dispatch([router])

    assert dispatch.find("GET", "/numbers/1") is None
    assert dispatch.find("GET", "/after") is None
