"""`http:request` and `http:backstage:request`: what is sent, how often, to whom, and what is told of it."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from understage.app.http import ServiceFetch
from understage.app.plugins import TaskPlugins
from understage.errors import ForeignError, InputError, NotAllowedError
from understage.integrations.http import PolicedHttp
from understage.platform.http import AllowRule, HostPolicy, HttpClient
from understage.sdk import HttpResponse
from understage.sdk.testing import ActionResult, Checkpoints, FakeHttp, fake_ports, run_action
from understage_actions.http_request import backstage_request, request

API = "https://api.example.com/v1"
TOKEN = "t0p-s3cret-token"


def answer(
    status: int = 200, body: bytes = b'{"id": 7}', type: str = "application/json; charset=utf-8"
) -> HttpResponse:
    return HttpResponse(status, {"content-type": type}, body)


async def run(http: Any, workspace: Path, **input: Any) -> ActionResult:
    extra = {key: input.pop(key) for key in ("dry_run", "checkpoints", "secrets") if key in input}
    return await run_action(request, {"url": API, **input}, workspace=workspace, ports=fake_ports(http=http), **extra)


async def test_an_answer_becomes_values(tmp_path: Path) -> None:
    http = FakeHttp({("GET", f"{API}?a=1&q=x+y&n=2"): answer()})
    result = await run(http, tmp_path, url=f"{API}?a=1", params={"q": "x y", "n": 2})
    assert result.output == {
        "code": 200,
        "headers": {"content-type": "application/json; charset=utf-8"},
        "body": {"id": 7},
    }
    plain = FakeHttp({("GET", API): answer(body=b"hello", type="text/plain")})
    assert (await run(plain, tmp_path)).output["body"] == {"message": "hello"}
    result = await run(plain, tmp_path, targetPath="out/a.txt")
    assert (result.output["path"], (tmp_path / "out/a.txt").read_text()) == ("out/a.txt", "hello")


@pytest.mark.parametrize(
    ("input", "content", "type"),
    [
        ({"body": {"a": 1}}, b'{"a": 1}', "application/json"),
        ({"body": "a=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, b"a=1", None),
        ({"body": '{"a": 1}', "headers": {"content-type": "application/json"}}, b'{"a": 1}', "application/json"),
        ({"body": "text", "headers": {"content-type": "application/json"}}, b'"text"', "application/json"),
        ({"body": ["ü"]}, '["ü"]'.encode(), "application/json"),
        ({}, None, None),
    ],
)
async def test_bodies(input: dict[str, Any], content: bytes | None, type: str | None, tmp_path: Path) -> None:
    http = FakeHttp({("POST", API): answer()})
    await run(http, tmp_path, method="POST", **input)
    assert http.sent[0].content == content
    assert http.sent[0].headers.get("content-type") == type


async def test_what_changes_something_is_sent_once(tmp_path: Path) -> None:
    http = FakeHttp({("POST", API): answer(201), ("GET", API): answer()})
    checkpoints = Checkpoints()
    for _ in range(2):
        result = await run(http, tmp_path, method="POST", body={"a": 1}, idempotencyKey="k-1", checkpoints=checkpoints)
        assert (result.output["code"], result.output["body"]) == (201, {"id": 7})
    assert [(sent.method, sent.headers["idempotency-key"]) for sent in http.sent] == [("POST", "k-1")]
    for _ in range(2):
        await run(http, tmp_path, checkpoints=checkpoints)
    assert [sent.method for sent in http.sent] == ["POST", "GET", "GET"]


async def test_a_dry_run_sends_what_reads_only(tmp_path: Path) -> None:
    http = FakeHttp({("GET", API): answer()})
    assert (await run(http, tmp_path, dry_run=True)).output["code"] == 200
    result = await run(http, tmp_path, method="DELETE", dry_run=True)
    assert (result.output, result.log) == ({}, [f"Would send DELETE {API}"])
    assert len(http.sent) == 1


async def test_a_bad_status_fails_unless_it_may_be(tmp_path: Path) -> None:
    http = FakeHttp({("POST", API): answer(422, b'{"message": "name is taken"}')})
    checkpoints = Checkpoints()
    with pytest.raises(ForeignError, match=r"Unable to complete request: POST .* answered 422: .*name is taken"):
        await run(http, tmp_path, method="POST", checkpoints=checkpoints)
    result = await run(http, tmp_path, method="POST", continueOnBadResponse=True, checkpoints=checkpoints)
    assert result.output["code"] == 422
    assert len(http.sent) == 2  # a failure is no answer to keep: a retry sends again


async def test_neither_secrets_nor_queries_are_logged(tmp_path: Path) -> None:
    http = FakeHttp({("GET", f"{API}?key={TOKEN}"): answer()})
    result = await run(http, tmp_path, url=f"{API}?key={TOKEN}", headers={"authorization": f"Bearer {TOKEN}"})
    assert result.log == [f"GET {API}: 200"]
    assert (await run(http, tmp_path, url=f"{API}?key={TOKEN}", logRequestPath=False)).log == ["GET: 200"]
    with pytest.raises(InputError, match="line break"):
        await run(http, tmp_path, headers={"x": "a\r\nauthorization: b"})


async def test_a_large_answer_goes_to_a_file(tmp_path: Path) -> None:
    http = FakeHttp({("GET", API): answer(body=b"x" * 3_000_000, type="text/plain")})
    with pytest.raises(InputError, match="write them to a file by `targetPath`"):
        await run(http, tmp_path)
    await run(http, tmp_path, targetPath="big.txt")
    assert (tmp_path / "big.txt").stat().st_size == 3_000_000
    with pytest.raises(NotAllowedError):
        await run(http, tmp_path, targetPath="../big.txt")


def policed(seen: list[httpx.Request], location: str = "") -> PolicedHttp:
    def serve(asked: httpx.Request) -> httpx.Response:
        seen.append(asked)
        if asked.url.path == "/v1" and location:
            return httpx.Response(302, headers={"location": location})
        return httpx.Response(200, json={})

    rules = (AllowRule("api.example.com"), AllowRule("other.example.com"))
    return PolicedHttp(HttpClient(transport=httpx.MockTransport(serve)), HostPolicy(rules))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest",
        "https://evil.test/",
        "https://api.example.com:8443/",
        "file:///etc/passwd",
        "http://[::1]/",
    ],
)
async def test_redirects_lead_to_allowed_hosts_only(location: str, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises((NotAllowedError, InputError, ForeignError)):
        await run(policed(seen, location), tmp_path)
    assert [asked.url.host for asked in seen] == ["api.example.com"]


async def test_a_token_stays_at_its_host(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    headers = {"authorization": f"Bearer {TOKEN}"}
    await run(policed(seen, "https://other.example.com/x"), tmp_path, headers=headers)
    assert [asked.headers.get("authorization") for asked in seen] == [f"Bearer {TOKEN}", None]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "https://u:p@api.example.com/",
        "api.example.com/v1",
        "https://api.example.com@evil.test/",
    ],
)
async def test_other_hosts_are_refused(url: str, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises((NotAllowedError, InputError)):
        await run(policed(seen), tmp_path, url=url)
    assert seen == []


async def test_a_plugin_is_asked_by_its_id(tmp_path: Path) -> None:
    backstage = FakeHttp({("GET", "proxy/sonar/api?q=1"): answer()})
    step = {"method": "GET", "path": "/proxy/sonar/api", "params": {"q": "1"}}
    result = await run_action(backstage_request, step, workspace=tmp_path, ports=fake_ports(backstage=backstage))
    assert (result.output["code"], result.output["body"]) == (200, {"id": 7})
    with pytest.raises(ForeignError):
        await run_action(backstage_request, {**step, "path": "other"}, workspace=tmp_path)


class Recorder:
    """Stands for the service's way to plugins."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str]]] = []

    async def exchange(self, method: str, url: str, *, headers: dict[str, str], **_: Any) -> HttpResponse:
        self.sent.append((method, url, headers))
        return answer()


class Issuer:
    """Stands for the scaffolder's tokens."""

    own_credentials = "scaffolder"

    async def headers(self, plugin_id: str, credentials: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer for {plugin_id} of {credentials}"}


async def test_plugins_are_asked_on_behalf_of_the_user() -> None:
    identity = SimpleNamespace(
        plugins={"scaffolder": SimpleNamespace(issuer=Issuer())},
        discovery=SimpleNamespace(internal=lambda plugin_id: f"http://backend.test/api/{plugin_id}"),
    )
    recorder = Recorder()
    plugins = TaskPlugins(cast(Any, identity), cast(Any, recorder), cast(Any, "ann"))
    await plugins.request("POST", "proxy/a/b?c=../d", headers={"authorization": "Bearer forged", "x": "1"})
    assert recorder.sent == [
        ("POST", "http://backend.test/api/proxy/a/b?c=../d", {"x": "1", "Authorization": "Bearer for proxy of ann"})
    ]
    await plugins.request("POST", "notifications", as_service=True)
    assert recorder.sent.pop() == (
        "POST",
        "http://backend.test/api/notifications",
        {"Authorization": "Bearer for notifications of scaffolder"},
    )
    for path in (
        "../catalog",
        "proxy/../catalog/entities",
        "proxy/%2e%2e/catalog",
        "proxy/..%5ccatalog",
        "",
        "@evil.test/x",
    ):
        with pytest.raises(InputError, match="must begin with the id of a plugin"):
            await plugins.request("GET", path)
    assert len(recorder.sent) == 1
    assert json.dumps(recorder.sent)


async def test_a_plugin_of_this_process_is_asked_without_a_socket() -> None:
    async def echo(asked: Request) -> Response:
        return Response(await asked.body(), 201, {"X-Method": asked.method}, "text/plain")

    async def slow(asked: Request) -> Response:
        await asyncio.sleep(30)
        return Response()

    fetch = ServiceFetch(HttpClient(), "http://backend.test/api/")
    fetch.attach(Starlette(routes=[Route("/api/x", echo, methods=["PUT"]), Route("/api/slow", slow)]))
    found = await fetch.exchange("PUT", "http://backend.test/api/x", headers={}, content=b"hello", timeout=5)
    assert (found.status, found.headers["x-method"], found.body) == (201, "PUT", b"hello")
    with pytest.raises(ForeignError, match=r"GET http://backend.test/api/slow took longer than 0\.05 seconds"):
        await fetch.exchange("GET", "http://backend.test/api/slow?a=b", headers={}, content=None, timeout=0.05)
