"""The root of the HTTP server finds plugins by itself, and what lies around them is as with the router."""

import pytest
from fastapi import APIRouter, Request, Response
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from understage.app.web import Health, create_root
from understage.config.backend_settings import Cors
from understage.platform.plugin import create_plugin, raw_json_response

LARGE = b'{"a": "' + b"a" * 2000 + b'"}'


@pytest.fixture
def root() -> Starlette:
    router = APIRouter()

    @router.get("/things/{size}")
    async def get_thing(request: Request, size: str) -> Response:
        return raw_json_response(LARGE if size == "large" else b"{}")

    @router.get("/image")
    async def get_image() -> Response:
        return Response(LARGE, media_type="image/png")

    async def authenticate(_request: Request) -> None:
        pass

    app = create_root(lambda _: None, Health([]), Cors(origin="http://page"), with_metrics=False)  # type: ignore[arg-type, return-value]
    app.mount("/api/things", create_plugin("things", [router], authenticate=authenticate))
    app.mount("/api/things", PlainTextResponse("the second"))
    app.mount("", PlainTextResponse("page"))
    return app


def client(app: Starlette, encoding: str = "identity") -> AsyncClient:
    return AsyncClient(
        transport=ASGITransport(app),
        base_url="http://localhost",
        headers={"accept-encoding": encoding, "origin": "http://page"},
    )


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/things/things/small", 200, b"{}"),
        ("/api/things/things/small/", 200, b"{}"),
        ("/api/things/nothing", 404, b""),
        ("/api/things", 200, b"page"),
        ("/api/other/things", 200, b"page"),
        ("/api//things/small", 200, b"page"),
        ("/.backstage/health/v1/liveness", 200, b'{"status":"ok"}'),
    ],
)
async def test_a_path_leads_where_the_router_leads(root: Starlette, path: str, status: int, body: bytes) -> None:
    answer = await client(root).get(path)
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers["access-control-allow-origin"] == "http://page"


@pytest.mark.parametrize(
    ("path", "varies"),
    [("/api/things/things/large", True), ("/api/things/things/small", False), ("/api/things/image", False)],
)
async def test_all_are_told_what_others_may_get_compressed(root: Starlette, path: str, varies: bool) -> None:
    for encoding in ("identity", "gzip, br"):
        answer = await client(root, encoding).get(path)
        assert ("accept-encoding" in answer.headers["vary"].lower()) == varies
        assert (answer.headers.get("content-encoding") == "gzip") == (varies and encoding != "identity")
