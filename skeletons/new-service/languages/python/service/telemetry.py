"""Metrics and traces of each request, by the names that OpenTelemetry's conventions give them.

FastAPI makes the spans itself where a provider of them is configured. They go where `OTEL_EXPORTER_OTLP_ENDPOINT` says, and nowhere without it. Metrics are read at `/metrics`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Histogram

DURATION = Histogram(
    "http_server_request_duration_seconds",
    "How long requests took",
    ["http_request_method", "http_route", "http_response_status_code"],
)
METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@asynccontextmanager
async def traced(_: Any) -> AsyncIterator[None]:
    """Send traces to the collector of the environment while the application serves; the last ones as it stops."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        yield
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", "${{ values.name }}")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    yield
    await asyncio.to_thread(provider.shutdown)


class Metrics:
    """Counts what the application answers."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Any word may be a method: one that nobody knows would make a series of its own.
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        status, began = 500, time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            # The route, not the path, of which there are as many as callers think of.
            route = getattr(scope.get("route"), "path", "")
            DURATION.labels(method, route, str(status)).observe(time.perf_counter() - began)
