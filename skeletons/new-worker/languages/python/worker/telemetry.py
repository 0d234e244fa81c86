"""Metrics and traces of each message, by the names that OpenTelemetry's conventions give them.

Traces go where `OTEL_EXPORTER_OTLP_ENDPOINT` says, and nowhere without it. Metrics are read at `/metrics`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Histogram

from worker.queue import Message

DURATION = Histogram(
    "messaging_process_duration_seconds",
    "How long messages took; error_type is empty for those that are done",
    ["messaging_destination_name", "error_type"],
)
DEAD = Counter("messaging_dead_letters_total", "Messages that could not be handled", ["messaging_destination_name"])
tracer = trace.get_tracer("worker")


@contextmanager
def observed(queue: str, message: Message) -> Iterator[None]:
    """Measure what handles the message; its span is a part of the sender's trace, where the message says which."""
    sender = extract({"traceparent": message.fields.get("traceparent", b"").decode(errors="replace")})
    attributes: dict[str, str | int] = {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.message.id": message.id,
        "worker.attempt": message.attempt,
    }
    began, failed = time.perf_counter(), ""
    with tracer.start_as_current_span(
        f"process {queue}", context=sender, kind=trace.SpanKind.CONSUMER, attributes=attributes
    ):
        try:
            yield
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            DURATION.labels(queue, failed).observe(time.perf_counter() - began)


@contextmanager
def traced() -> Iterator[None]:
    """Send spans to the collector while it lasts; the last ones before it ends."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        yield
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", "${{ values.name }}")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
