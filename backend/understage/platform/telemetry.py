"""Traces and metrics by OpenTelemetry: OTLP when an endpoint is set, Prometheus at `/metrics` always.

Spans follow a request or a task from the edge through its steps into actions. The usual `OTEL_…` variables apply
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, …). Modules get their instruments from `opentelemetry.metrics` and
`opentelemetry.trace` directly; metric names follow the stock backend where it has the metric.
"""

import os
import random
import time
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.propagate import extract, get_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understage import __version__

STOCK_COUNTERS = ("catalog_processed_entities_count", "catalog_stitched_entities_count")

tracer = trace.get_tracer("understage")
meter = metrics.get_meter("understage")

request_duration = meter.create_histogram(
    "http.server.request.duration", unit="s", description="Duration of HTTP requests by plugin, method and status"
)


# FastAPI's own, beside ours: a fifth of the time of a small answer.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def _has_collector() -> bool:
    return bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))


def configure_telemetry() -> None:
    """Install the providers, once per process."""
    resource = Resource.create(
        {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "understage"), SERVICE_VERSION: __version__}
    )
    readers: list[MetricReader] = [PrometheusMetricReader()]
    traces = TracerProvider(sampler=None if _has_collector() else ALWAYS_OFF, resource=resource)
    if _has_collector():
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=readers))


def metrics_response(_request: Request) -> Response:
    """The answer of `GET /metrics`."""
    return Response(with_stock_counters(generate_latest(REGISTRY).decode()), media_type=CONTENT_TYPE_LATEST)


def with_stock_counters(exposition: str) -> str:
    """The exposition with the counters of the stock backend under its own names too, which do not end in `_total`."""
    lines = exposition.splitlines(keepends=True)
    copied = [
        line.replace(f"{name}_total", name, 1) for name in STOCK_COUNTERS for line in lines if f"{name}_total" in line
    ]
    return "".join([*lines, *copied])


class TraceRequests:
    """ASGI middleware: one server span and one duration a request; plugin and status are the only labels of metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Trace one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        plugin = _plugin_of(scope["path"])
        began = time.perf_counter()
        with _span_of(scope, plugin) as span:
            try:
                await self._app(scope, receive, note_status)
            finally:
                attributes: dict[str, Any] = {
                    "http.request.method": scope["method"],
                    "http.response.status_code": status,
                }
                if span.is_recording():
                    span.set_attributes({**attributes, "url.path": scope["path"]})
                request_duration.record(time.perf_counter() - began, {**attributes, "plugin": plugin})


def _span_of(scope: Scope, plugin: str) -> AbstractContextManager[trace.Span]:
    """The span of a request, as the current one."""
    parent = _parent_of(scope)
    if parent is None and getattr(trace.get_tracer_provider(), "sampler", None) is ALWAYS_OFF:
        # What nobody collects needs numbers only, by which lines of the log belong together.
        numbers = trace.SpanContext(random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False)
        return trace.use_span(trace.NonRecordingSpan(numbers))
    return tracer.start_as_current_span(f"{scope['method']} {plugin}", context=parent, kind=trace.SpanKind.SERVER)


def _parent_of(scope: Scope) -> Context | None:
    """The trace that a request belongs to; None when it names none, which is read off the names of its headers."""
    told = _told(get_global_textmap())
    if told.isdisjoint(name for name, _ in scope["headers"]):
        return None
    return extract({key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]})


@lru_cache(maxsize=4)
def _told(propagator: TextMapPropagator) -> frozenset[bytes]:
    return frozenset(name.encode() for name in propagator.fields)


def _plugin_of(path: str) -> str:
    """A bounded set of labels: whatever a client asks for, the path itself is never one."""
    parts = path.split("/", 3)
    known = {"catalog", "scaffolder", "understage", "auth", "permission", "events"}
    return parts[2] if len(parts) > 2 and parts[1] == "api" and parts[2] in known else "other"
