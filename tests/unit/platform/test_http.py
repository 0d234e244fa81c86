"""Outgoing requests: host rules, redirects, limits, against a real server on loopback and a scripted transport."""

import asyncio
import gzip
from collections.abc import Callable

import httpx
import pytest

from understage.errors import ForeignError, InputError, NotAllowedError
from understage.integrations.http import PolicedHttp
from understage.platform.http import AllowRule, HostPolicy, HttpClient, origin_of, parse_url, rules_of

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> HttpClient:
    return HttpClient(transport=httpx.MockTransport(handler))


def redirect(target: str) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/start":
            return httpx.Response(302, headers={"location": target})
        return httpx.Response(200, json={"authorization": request.headers.get("authorization"), "at": str(request.url)})

    return handle


@pytest.mark.parametrize(
    ("host", "paths", "url", "allowed"),
    [
        ("example.org", None, "https://example.org/x", True),
        ("example.org", None, "https://EXAMPLE.org:443/x", True),
        ("example.org", None, "https://example.org:8080/x", False),
        ("example.org:8080", None, "http://example.org:8080/x", True),
        ("example.org:8000-8100", None, "http://example.org:8080/", True),
        ("example.org:8000-8100", None, "http://example.org:8101/", False),
        ("example.org:8000-8100", None, "http://example.org/", False),
        ("*.example.org", None, "https://a.b.example.org/", True),
        ("*.example.org", None, "https://example.org/", False),
        ("*.example.org", None, "https://evilexample.org/", False),
        ("example.org", None, "https://example.org.evil.com/", False),
        ("example.org", None, "https://example.org./", False),
        ("127.0.0.1", None, "http://2130706433/", False),
        ("127.0.0.1", None, "http://[::ffff:127.0.0.1]/", False),
        ("example.org", ("/ok",), "https://example.org/ok", True),
        ("example.org", ("/ok",), "https://example.org/ok/deep?x=1", True),
        ("example.org", ("/ok/",), "https://example.org/ok/deep", True),
        ("example.org", ("/ok",), "https://example.org/okay", False),
        ("example.org", ("/ok",), "https://example.org/ok/../secret", False),
        ("example.org", ("/ok",), "https://example.org/ok/%2e%2e/secret", False),
        ("example.org", ("/ok",), "https://example.org/ok/..%2fsecret", False),
    ],
)
def test_allow_rules(host: str, paths: tuple[str, ...] | None, url: str, allowed: bool) -> None:
    assert AllowRule(host, paths).allows(parse_url(url)) is allowed


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "https://allowed.org@evil.com/",
        "https://allowed.org\\@evil.com/",
        "https://a b/",
        "//x",
        "",
    ],
)
def test_urls_that_mislead_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="Invalid URL"):
        parse_url(url)


def test_a_rule_that_is_a_url_is_refused() -> None:
    with pytest.raises(InputError, match="must be a name"):
        rules_of([("https://example.org/x", None)])


async def test_a_redirect_within_the_origin_is_followed() -> None:
    answer = await client(redirect("/end")).request(
        "GET", "https://example.org/start", headers={"Authorization": "token t"}
    )
    assert answer.json() == {"authorization": "token t", "at": "https://example.org/end"}
    assert answer.url == "https://example.org/end"


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest", "http://[::1]/", "https://example.org:8443/", "http://example.org/",
        "//internal/x",
    ],
)  # fmt: skip
async def test_a_redirect_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(NotAllowedError, match="URL not allowed by"):
        await client(redirect(target)).request("GET", "https://example.org/start")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "https://user:pw@example.org/"])
async def test_a_redirect_to_no_plain_web_url_is_refused(target: str) -> None:
    with pytest.raises(InputError, match="Invalid URL"):
        await client(redirect(target)).request("GET", "https://example.org/start")


async def test_credentials_stay_at_their_origin() -> None:
    policy = HostPolicy(rules_of([("example.org", None), ("other.org", None)]))
    for target in ("https://other.org/end", "http://example.org/end"):
        answer = await client(redirect(target)).request(
            "GET", "https://example.org/start", headers={"Authorization": "token t"}, allows=policy.allows
        )
        assert answer.json() == {"authorization": None, "at": target}


async def test_too_many_redirects_end() -> None:
    with pytest.raises(ForeignError, match="Too many redirects"):
        await client(redirect("/start")).request("GET", "https://example.org/start")


async def test_a_post_is_not_redirected() -> None:
    assert (await client(redirect("/end")).request("POST", "https://example.org/start", json={})).status == 302


async def test_big_packed_and_slow_bodies_end() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    packed = client(lambda _: httpx.Response(200, content=bomb, headers={"content-encoding": "gzip"}))
    with pytest.raises(ForeignError, match="more than 1000000 bytes"):
        await packed.request("GET", "https://example.org/", max_bytes=1_000_000)

    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow = HttpClient()
    with pytest.raises(ForeignError, match=r"took longer than 0\.3 seconds"):
        await slow.request("GET", f"http://127.0.0.1:{port}/", timeout=0.3)
    await slow.close()
    server.close()
    await server.wait_closed()


async def test_failures_do_not_show_queries() -> None:
    http = HttpClient()
    with pytest.raises(ForeignError, match=r"GET http://127\.0\.0\.1:9/x failed") as caught:
        await http.request("GET", "http://127.0.0.1:9/x?signature=s3cret")
    await http.close()
    assert "s3cret" not in str(caught.value)


async def test_actions_reach_configured_hosts_only() -> None:
    policy = HostPolicy(rules_of([("open.org", ("/api",))]), frozenset({origin_of("https://git.example.org/base")}))
    http = PolicedHttp(client(lambda request: httpx.Response(404, text=str(request.url))), policy)
    assert (await http.request("get", "https://git.example.org/any")).status == 404
    assert (await http.request("GET", "https://open.org/api/x")).body == b"https://open.org/api/x"
    for url in ("https://open.org/other", "http://git.example.org/", "https://localhost/"):
        with pytest.raises(NotAllowedError, match="configure an integration for the target host"):
            await http.request("GET", url)
