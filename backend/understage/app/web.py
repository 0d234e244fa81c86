"""The root of the HTTP server: health, metrics, cross-origin rules, and where each plugin is mounted."""

import fnmatch
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

from understage.config.backend_settings import Cors
from understage.errors import UnderstageError
from understage.platform.plugin import answer_unknown_route, json_response
from understage.platform.telemetry import TraceRequests, metrics_response

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]
DEFAULT_METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
PREFLIGHT_SECONDS = 600


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
    root = Starlette(lifespan=lifespan, exception_handlers={HTTPException: answer_unknown_route})
    root.router.redirect_slashes = False
    root.add_route("/.backstage/health/v1/liveness", health.liveness, include_in_schema=False)
    root.add_route("/.backstage/health/v1/readiness", health.readiness, include_in_schema=False)
    if with_metrics:
        root.add_route("/metrics", metrics_response, include_in_schema=False)
    root.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
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
