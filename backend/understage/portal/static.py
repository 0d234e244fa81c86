"""Serves a built portal page: its files, and the page itself for every other path. Mounted last by `app`.

The files are listed when the site opens, and a request can only name one of that list: no path is ever put together from
what a client sent.
"""

import hashlib
import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from understage.portal.bundle import MARKER

TEMPLATE: Final = "index.html.tmpl"
_PUBLIC_PATH: Final = "<%= publicPath %>"
_FOREVER: Final = "public, max-age=31536000, immutable"  # names below static/ carry a hash of the content
_ASK_AGAIN: Final = "no-cache"
_API: Final = ("api/", ".backstage/", ".well-known/")

_CONTENT_TYPES: Final = {  # the platform's own table differs between machines
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class _Asset:
    path: Path
    packed: Path | None
    etag: str  # without quotes
    content_type: str
    cache_control: str


class PortalSite:
    """One built page with its configuration; answers GET and HEAD for the paths below its mount point.

    `bundle` is a folder made by `build_portal`; `page_config` is put into the page as it is, so it must hold nothing
    secret; `base_path` is "" or the path of the mount point without a slash at its end.
    """

    def __init__(
        self, bundle: Path, page_config: Mapping[str, Any], *, base_path: str, headers: Mapping[str, str]
    ) -> None:
        self._headers = dict(headers)
        self._assets = _list_assets(bundle)
        self._page = _render_page((bundle / TEMPLATE).read_text(encoding="utf-8"), page_config, base_path)
        self._page_etag = hashlib.sha256(self._page).hexdigest()[:24]

    def answer(self, request: Request, path: str) -> Response:
        """The answer to a GET or HEAD of `path`, which has no slash in front."""
        asset = self._assets.get(path)
        if asset is None and path.startswith("static/"):
            # a page of an older build asks for its own chunks: "not found" makes it reload, a page of HTML would not
            return Response("Not found\n", 404, {**self._headers, "Cache-Control": _ASK_AGAIN}, "text/plain")
        return self._page_answer(request) if asset is None else self._asset_answer(request, asset)

    def _page_answer(self, request: Request) -> Response:
        headers = {**self._headers, "Cache-Control": _ASK_AGAIN, "ETag": f'"{self._page_etag}"'}
        if _unchanged(request, self._page_etag):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(self._page, headers=headers)

    def _asset_answer(self, request: Request, asset: _Asset) -> Response:
        packed = asset.packed if asset.packed and _accepts_gzip(request.headers.get("accept-encoding", "")) else None
        etag = f"{asset.etag}-gzip" if packed else asset.etag
        headers = {**self._headers, "Cache-Control": asset.cache_control, "ETag": f'"{etag}"'}
        if asset.packed:
            headers["Vary"] = "Accept-Encoding"
        if _unchanged(request, etag):
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = asset.content_type
        if packed:
            headers["Content-Encoding"] = "gzip"
        return FileResponse(packed or asset.path, headers=headers)


class PortalPages:
    """The ASGI application of the catch-all mount: the site once its bundle is built, until then a page that says so.

    `open_site` is asked at the first request and again until it returns a site: a page built by another process while
    this one runs is served without a restart.
    """

    def __init__(self, open_site: Callable[[], PortalSite | None]) -> None:
        self._open_site = open_site
        self._site: PortalSite | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope)
        path = _path_below_mount(scope)
        await self._answer(request, path)(scope, receive, send)

    def _answer(self, request: Request, path: str) -> Response:
        if f"{path}/".startswith(_API):
            return Response(status_code=404)  # an unknown endpoint: empty, as in the stock backend
        if request.method not in ("GET", "HEAD"):
            return Response(status_code=405, headers={"Allow": "GET, HEAD"})
        self._site = self._site or self._open_site()
        return self._site.answer(request, path) if self._site else _missing_page()


def _list_assets(bundle: Path) -> dict[str, _Asset]:
    files = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    return {
        name: _Asset(
            path=path,
            packed=files.get(f"{name}.gz"),
            etag=hashlib.sha256(path.read_bytes()).hexdigest()[:24],
            content_type=_CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
            cache_control=_FOREVER if name.startswith("static/") else _ASK_AGAIN,
        )
        for name, path in files.items()
        if name not in (TEMPLATE, MARKER) and not name.endswith(".gz")
    }


def _render_page(template: str, page_config: Mapping[str, Any], base_path: str) -> bytes:
    data = json.dumps([{"context": "app-config", "data": page_config}], ensure_ascii=False)
    # no "<" at all: neither "</script" nor "<!--" can end or hide the tag
    tag = f'<script type="backstage.io/config">{data.replace("<", chr(92) + "u003c")}</script>'
    page = template.replace(_PUBLIC_PATH, html.escape(base_path))
    head, end, body = page.partition("</head>")
    return f"{head}{tag}{end}{body}".encode()


def _path_below_mount(scope: Scope) -> str:
    path, mount = str(scope["path"]), str(scope.get("root_path", ""))
    if mount and (path == mount or path.startswith(f"{mount}/")):
        path = path[len(mount) :]
    return path.lstrip("/")


def _accepts_gzip(accepted: str) -> bool:
    for item in accepted.lower().split(","):
        coding, _, parameters = item.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _unchanged(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or any(tag.strip().removeprefix("W/") == f'"{etag}"' for tag in known.split(","))


def _missing_page() -> Response:
    page = (Path(__file__).parent / "missing.html").read_bytes()
    return HTMLResponse(page, 503, {"Cache-Control": "no-store", "Retry-After": "5"})
