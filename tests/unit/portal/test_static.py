"""How a built page is served: to browsers, to caches, and to those who try to get at other files."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.unit.portal.client import Client

from understage.portal.static import PortalPages, PortalSite

SCRIPT = b"console.log('hello');" * 100
TEMPLATE = (
    '<html><head><meta name="backstage-public-path" content="<%= publicPath %>/">'
    '<script defer src="<%= publicPath %>/static/main.1.js"></script></head><body></body></html>'
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "static").mkdir(parents=True)
    (folder / "index.html.tmpl").write_text(TEMPLATE)
    (folder / "build.json").write_text("{}")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "static" / "main.1.js").write_bytes(SCRIPT)
    (folder / "static" / "main.1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "static" / "font.2.woff2").write_bytes(b"font")
    (tmp_path / "secret.txt").write_text("not for the world")
    return folder


def site(bundle: Path, config: dict[str, Any] | None = None, base_path: str = "") -> Client:
    opened = PortalSite(
        bundle, config or {"app": {"title": "Acme"}}, base_path=base_path, headers={"X-Frame-Options": "SAMEORIGIN"}
    )
    return Client(PortalPages(lambda: opened))


@pytest.mark.parametrize("path", ["/", "/catalog", "/catalog/default/component/x.y", "/index.html", "/favicon.ico"])
def test_every_other_path_is_the_page(bundle: Path, path: str) -> None:
    answer = site(bundle).get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert '<script defer src="/static/main.1.js"></script>' in answer.text


def test_the_page_holds_its_configuration_in_one_data_tag(bundle: Path) -> None:
    text = site(bundle, {"app": {"title": "</script><script>alert(1)</script><!--"}}).get("/").text

    head, _, rest = text.partition('<script type="backstage.io/config">')
    tag, end, _ = rest.partition("</script>")
    assert end + "</head>" in text
    assert text.count("backstage.io/config") == 1
    assert "<" not in tag
    assert "<!--" not in head
    assert json.loads(tag) == [
        {"context": "app-config", "data": {"app": {"title": "</script><script>alert(1)</script><!--"}}}
    ]


def test_a_base_path_goes_into_every_address(bundle: Path) -> None:
    text = site(bundle, base_path='/por"tal').get("/").text

    assert 'src="/por&quot;tal/static/main.1.js"' in text
    assert 'content="/por&quot;tal/"' in text
    assert "publicPath" not in text


def test_a_script_is_kept_for_ever_and_compressed_for_who_takes_it(bundle: Path) -> None:
    plain = site(bundle).get("/static/main.1.js", headers={"Accept-Encoding": "identity"})
    packed = site(bundle).get("/static/main.1.js", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    refused = site(bundle).get("/static/main.1.js", headers={"Accept-Encoding": "gzip;q=0"})

    assert plain.content == packed.content == refused.content == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(SCRIPT)
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    for answer in (plain, packed):
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_files_without_a_hash_in_their_name_are_asked_for_again(bundle: Path) -> None:
    answer = site(bundle).get("/favicon.svg")

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/catalog", "/static/main.1.js", "/favicon.svg"])
def test_an_unchanged_answer_is_not_sent_again(bundle: Path, path: str) -> None:
    client = site(bundle)
    etag = client.get(path).headers["etag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/catalog", "/static/main.1.js"])
def test_head_tells_the_same_without_the_body(bundle: Path, path: str) -> None:
    client = site(bundle)
    get, head = client.get(path), client.request("HEAD", path)

    assert head.content == b""
    assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/static/../../secret.txt",
        "/static/%2e%2e/%2e%2e/secret.txt",
        "/static/..%2f..%2fsecret.txt",
        "/%2e%2e%5csecret.txt",
        "//etc/passwd",
        "/static//etc/passwd",
        "/static/%00",
    ],
)
def test_no_path_leads_out_of_the_bundle(bundle: Path, path: str) -> None:
    scope = {
        "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "query_string": b"",
        "headers": [], "root_path": "", "http_version": "1.1", "scheme": "http", "server": ("portal.test", 80),
    }  # fmt: skip
    body = _body_of(PortalPages(lambda: PortalSite(bundle, {}, base_path="", headers={})), scope)

    assert body == b"Not found\n" or body.startswith(b"<html>")
    assert b"not for the world" not in body


@pytest.mark.parametrize("path", ["/index.html.tmpl", "/build.json", "/static/main.1.js.gz"])
def test_what_the_bundle_holds_for_the_server_is_not_served_as_a_file(bundle: Path, path: str) -> None:
    answer = site(bundle).get(path)

    assert answer.status_code == 404 or answer.headers["content-type"].startswith("text/html")
    assert b"<%=" not in answer.content


def test_a_chunk_of_another_build_is_not_found(bundle: Path) -> None:
    answer = site(bundle).get("/static/main.0.js")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/api", "/api/nope", "/api/catalog", "/.backstage/health/v2", "/.well-known/x"])
def test_an_unknown_endpoint_is_no_page(bundle: Path, path: str) -> None:
    answer = site(bundle).get(path)

    assert (answer.status_code, answer.content) == (404, b"")


def test_pages_are_only_read(bundle: Path) -> None:
    answer = site(bundle).post("/catalog")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_without_a_bundle_the_page_says_how_to_build_it() -> None:
    client = Client(PortalPages(lambda: None))

    answer = client.get("/catalog")

    assert answer.status_code == 503
    assert "understage portal build" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/api/nope").status_code == 404


def _body_of(app: Any, scope: dict[str, Any]) -> bytes:
    body = bytearray()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    asyncio.run(app(scope, receive, send))
    return bytes(body)
