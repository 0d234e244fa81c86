from fastapi import APIRouter, Request, Response
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.routing import Mount

from understage.errors import AuthenticationError, NotFoundError
from understage.platform.plugin import create_plugin, json_response


def make_client(*, is_ready: bool = True) -> AsyncClient:
    router = APIRouter()

    @router.get("/things/{name}")
    async def get_thing(request: Request, name: str) -> Response:
        if name == "missing":
            raise NotFoundError(f"No thing {name}", hint="look elsewhere")
        if name == "broken":
            raise RuntimeError("password=hunter2")
        return json_response({"name": name, "caller": request.state.credentials})

    @router.get("/public")
    async def public() -> Response:
        return json_response({})

    async def authenticate(request: Request) -> str:
        if "authorization" not in request.headers:
            raise AuthenticationError("Missing credentials")
        return request.headers["authorization"]

    plugin = create_plugin(
        "things", [router], authenticate=authenticate, is_ready=lambda: is_ready, public_paths=["/public"]
    )
    app = Starlette(routes=[Mount("/api/things", plugin)])
    return AsyncClient(
        transport=ASGITransport(app), base_url="http://localhost/api/things", headers={"authorization": "ada"}
    )


async def test_a_route_sees_the_credentials() -> None:
    answer = await make_client().get("/things/a")
    assert answer.json() == {"name": "a", "caller": "ada"}
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_trailing_slash_is_the_same_path() -> None:
    assert (await make_client().get("/things/a/")).json()["name"] == "a"


async def test_errors_become_the_stock_envelope_with_the_url_inside_the_plugin() -> None:
    answer = await make_client().get("/things/missing?x=1")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"name": "NotFoundError", "message": "No thing missing", "hint": "look elsewhere"},
        "request": {"method": "GET", "url": "/things/missing?x=1"},
        "response": {"statusCode": 404},
    }


async def test_an_unexpected_error_is_masked() -> None:
    answer = await make_client().get("/things/broken")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"].startswith("An internal error occurred logId=")
    assert "hunter2" not in answer.text


async def test_without_credentials_even_unknown_paths_are_401() -> None:
    client = make_client()
    del client.headers["authorization"]
    for path in ("/things/a", "/nowhere"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Missing credentials")
    assert (await client.get("/public")).status_code == 200


async def test_unknown_paths_and_methods_are_404_with_an_empty_body() -> None:
    client = make_client()
    for answer in (await client.get("/nowhere"), await client.put("/things/a")):
        assert (answer.status_code, answer.content) == (404, b"")


async def test_before_the_start_is_over_requests_get_503() -> None:
    answer = await make_client(is_ready=False).get("/things/a")
    assert (answer.status_code, answer.json()["error"]["name"]) == (503, "ServiceUnavailableError")
