"""The root of the HTTP server: health, metrics, cross-origin rules, and where each plugin is mounted."""

import fnmatch
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understage.config.backend_settings import Cors
from understage.errors import UnderstageError
from understage.platform.plugin import answer_unknown_route, json_response
from understage.platform.telemetry import TraceRequests, metrics_response

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]
DEFAULT_METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
PREFLIGHT_SECONDS = 600
PLUGIN_PATH = re.compile(r"/api/[^/]+")


class Health:
    """What the health endpoints tell. `checks` raise while a part does not work."""

    def __init__(self, checks: Sequence[Callable[[], Awaitable[None]]]) -> None:
        self._checks = checks
        self.is_started = False
        self.is_stopping = False

    async def readiness(self, _request: Request) -> Response:
        """Whether requests can be served: started, not stopping, every part working."""
        if self.is_stopping:
            return _unready("Backend is shutting down")
        if not self.is_started:
            return _unready("Backend has not started yet")
        try:
            for check in self._checks:
                await check()
        except UnderstageError as error:
            return _unready(error.message)
        return json_response({"status": "ok"})

    async def liveness(self, _request: Request) -> Response:
        """Whether the process answers at all."""
        return json_response({"status": "ok"})


class Compress(GZipMiddleware):
    """Starlette's, without the detour for clients that take nothing compressed: they are only told that others may."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or any(
            name == b"accept-encoding" and b"gzip" in value.lower() for name, value in scope["headers"]
        ):
            await super().__call__(scope, receive, send)
            return

        async def note_vary(message: Message) -> None:
            if message["type"] == "http.response.start" and self._may_compress(message):
                MutableHeaders(raw=message["headers"]).add_vary_header("Accept-Encoding")
            await send(message)

        await self.app(scope, receive, note_vary)

    def _may_compress(self, message: Message) -> bool:
        """Whether a client that takes it would get this answer compressed."""
        if message["status"] == 206:
            return False
        for name, value in message.get("headers", ()):
            if name == b"content-length" and int(value) < self.minimum_size:
                return False
            if name == b"content-encoding":
                return False
            if name == b"content-type":
                media_type = value.decode("latin-1").partition(";")[0].strip().lower()
                if {media_type, media_type.partition("/")[0] + "/*"} & set(self.exclude_content_types):
                    return False
        return True


class Root(Starlette):
    """Finds the plugins without the router, whose way to them costs a tenth of a small answer."""

    def __init__(self, lifespan: Lifespan) -> None:
        super().__init__(lifespan=lifespan, exception_handlers={HTTPException: answer_unknown_route})
        self._plugins: dict[str, ASGIApp] = {}

    def mount(self, path: str, app: ASGIApp, name: str | None = None) -> None:
        """As Starlette; of two at the same path the first answers."""
        super().mount(path, app, name)
        if PLUGIN_PATH.fullmatch(path):
            self._plugins.setdefault(path, app)

    def build_middleware_stack(self) -> ASGIApp:
        """As Starlette, but what handles errors stands at the router alone: plugins handle their own."""
        chain, self.user_middleware = self.user_middleware, []
        app: ASGIApp = _PluginsFirst(self._plugins, super().build_middleware_stack())
        for middleware in reversed(chain):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app


class _PluginsFirst:
    def __init__(self, plugins: Mapping[str, ASGIApp], others: ASGIApp) -> None:
        self._plugins = plugins
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root: str = scope.get("root_path", "")
        parts = scope["path"].split("/", 3) if scope["type"] == "http" and not root else []
        path = f"/{parts[1]}/{parts[2]}" if len(parts) == 4 else ""
        plugin = self._plugins.get(path)
        if plugin is None:
            await self._others(scope, receive, send)
        else:
            # As a mount has it.
            await plugin({**scope, "path_params": {}, "app_root_path": root, "root_path": path}, receive, send)


class CrossOrigin(CORSMiddleware):
    """Answers preflights as the stock backend does: what is allowed has no content."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """204, or 400 with what is not allowed."""
        response = super().preflight_response(request_headers)
        if response.status_code != 200:
            return response
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return Response(status_code=204, headers=headers)


def _unready(message: str) -> Response:
    return json_response({"message": message, "status": "error"}, 503)


def create_root(lifespan: Lifespan, health: Health, cors: Cors | None, *, with_metrics: bool) -> Starlette:
    """The root application, before anything is mounted."""
    root = Root(lifespan)
    root.router.redirect_slashes = False
    root.add_route("/.backstage/health/v1/liveness", health.liveness, include_in_schema=False)
    root.add_route("/.backstage/health/v1/readiness", health.readiness, include_in_schema=False)
    if with_metrics:
        root.add_route("/metrics", metrics_response, include_in_schema=False)
    root.add_middleware(Compress, minimum_size=1024, compresslevel=5)
    if cors is not None:
        _add_cors(root, cors)
    root.add_middleware(TraceRequests)
    return root


def _add_cors(root: Starlette, cors: Cors) -> None:
    """`backend.cors`: origins are globs, as the stock backend takes them; answers to preflights are kept for a while."""
    origin = cors.origin
    patterns = [origin] if isinstance(origin, str) else list(origin) if isinstance(origin, tuple) else []
    everything = origin is True or "*" in patterns
    expression = "|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns)
    root.add_middleware(
        CrossOrigin,
        allow_origin_regex=".*" if everything else expression or r"(?!)",
        allow_methods=list(cors.methods or DEFAULT_METHODS),
        allow_headers=list(cors.allowed_headers or ("*",)),
        allow_credentials=bool(cors.credentials),
        expose_headers=list(cors.exposed_headers or ()),
        max_age=int(cors.max_age if cors.max_age is not None else PREFLIGHT_SECONDS),
    )
