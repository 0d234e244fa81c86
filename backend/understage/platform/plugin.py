"""A backend plugin as a Backstage backend serves one: what stands before and after the routes of catalog and scaffolder.

    request -> (public routes) -> start-up gate -> credentials barrier -> routes -> error envelope

Unknown paths and methods answer 404 with an empty body, after the barrier. Errors become
`{"error": {name, message, …}, "request": {method, url}, "response": {statusCode}}`, `url` relative to the plugin
(Backstage backend-defaults 0.18.0). Credentials are verified by a function handed in by the composition root and kept in
`request.state.credentials`.
"""

import secrets
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understage.errors import ServiceUnavailableError, UnderstageError
from understage.platform.dispatch import Dispatch, answered_by
from understage.platform.json import dumps
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, describe, make_document
from understage.platform.telemetry import NO_TELEMETRY

log = structlog.get_logger(__name__)

Authenticate = Callable[[Request], Awaitable[Any]]
IsReady = Callable[[], bool]

JSON_TYPE = "application/json; charset=utf-8"
# Answers are data: no browser shall guess another type, or tell other sites where it read them.
SECURITY_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))

plugin_of_request: ContextVar[str] = ContextVar("plugin_of_request", default="")


@absent(OLD_MODELS)
def create_plugin(
    plugin_id: str,
    routers: Collection[APIRouter],
    *,
    authenticate: Authenticate,
    is_ready: IsReady = lambda: True,
    public_paths: Collection[str] = (),
) -> ASGIApp:
    """The ASGI application of one plugin, to be mounted at `/api/<plugin_id>`.

    `authenticate` returns the credentials of a request or raises; it is not asked for `public_paths` (exact, relative).
    """
    edge = _Edge(plugin_id, authenticate, is_ready, frozenset(public_paths))
    app = _Plugin(edge, Dispatch(routers))
    app.add_exception_handler(HTTPException, answer_unknown_route)
    for router in [*routers, _create_document_router(plugin_id, routers, public_paths)]:
        app.include_router(router)
    # As its middleware, not around it: FastAPI answers unexpected errors itself further out.
    app.add_middleware(_EdgeMiddleware, edge=edge)
    return app


class _Plugin(FastAPI):
    """Asks FastAPI's own way for what `Dispatch` does not know only."""

    def __init__(self, edge: "_Edge", dispatch: Dispatch) -> None:
        super().__init__(
            telemetry=NO_TELEMETRY, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
        )
        self._edge = edge
        self._dispatch = dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = relative_path(scope)
            endpoint = self._dispatch.find(scope["method"], path.rstrip("/") if len(path) > 1 else path)
            if endpoint is not None:
                await self._edge.answer(scope, receive, send, answered_by(endpoint))
                return
        await super().__call__(scope, receive, send)


def _create_document_router(plugin_id: str, routers: Collection[APIRouter], public_paths: Collection[str]) -> APIRouter:
    """`GET /openapi.json`, which describes itself too."""
    router = APIRouter()

    @router.get("/openapi.json", openapi_extra=describe("This document", answers={200: OBJECT}))
    async def get_openapi_document(request: Request) -> Response:
        prefix = request.scope.get("root_path", "")
        return json_response(make_document(plugin_id, [*routers, router], prefix=prefix, public_paths=public_paths))

    return router


class _EdgeMiddleware:
    """The edge as a middleware, which sees each request before routing."""

    def __init__(self, app: ASGIApp, edge: "_Edge") -> None:
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._edge.answer(scope, receive, send, self._app)
        else:
            await self._app(scope, receive, send)


class _Edge:
    """Barrier and error envelope."""

    def __init__(
        self, plugin_id: str, authenticate: Authenticate, is_ready: IsReady, public_paths: frozenset[str]
    ) -> None:
        self._plugin_id = plugin_id
        self._authenticate = authenticate
        self._is_ready = is_ready
        self._public_paths = public_paths

    async def answer(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        """Have `app` answer, if it may."""
        request = Request(scope, receive)
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        token = plugin_of_request.set(self._plugin_id)
        try:
            await self._enter(request, scope)
            await app(scope, receive, note_start)
        except Exception as error:
            if started:
                raise
            await error_response(request, error)(scope, receive, note_start)
        finally:
            plugin_of_request.reset(token)

    async def _enter(self, request: Request, scope: Scope) -> None:
        path = relative_path(scope)
        # The stock router takes a trailing slash for the same path.
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = scope["path"].rstrip("/")
        if path in self._public_paths:
            return
        if not self._is_ready():
            raise ServiceUnavailableError("Service has not started up yet")
        request.state.credentials = await self._authenticate(request)


def relative_path(scope: Scope) -> str:
    """The request's path inside the plugin, beginning with a slash."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] or "/" if root and path.startswith(root) else path


def sent_path(scope: Scope) -> str:
    """`relative_path` as it was sent: escapes and a trailing slash included."""
    path: str = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return path.removeprefix(scope.get("root_path", "")) or "/"


def error_response(request: Request, error: Exception) -> Response:
    """The stock error envelope of any exception; what was not raised on purpose is logged and masked."""
    url = sent_path(request.scope)
    if request.scope["query_string"]:
        url += "?" + request.scope["query_string"].decode("latin-1")
    if isinstance(error, UnderstageError):
        status = error.status
        body = {"name": error.name, "message": error.message, **error.properties}
    else:
        status = 500
        log_id = secrets.token_hex(10)
        body = {"name": "Error", "message": f"An internal error occurred logId={log_id}"}
        log.error("unexpected error", log_id=log_id, method=request.method, url=url, exc_info=error)
        trace.get_current_span().record_exception(error)
    envelope = {
        "error": body,
        "request": {"method": request.method, "url": url},
        "response": {"statusCode": status},
    }
    return Response(dumps(envelope), status, media_type=JSON_TYPE)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of a Python value; hot paths hand stored bytes to `raw_json_response`."""
    return raw_json_response(dumps(value), status, headers)


def raw_json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of bytes that are JSON already."""
    return Response(body, status, headers, media_type=JSON_TYPE)


async def answer_unknown_route(_request: Request, error: Exception) -> Response:
    """404 and 405 both mean: no such route. Others come from Starlette itself and keep their status."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Response(status_code=404 if status in (404, 405) else status)
