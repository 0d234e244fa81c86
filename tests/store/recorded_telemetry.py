"""Spans and metrics of a test, kept in memory."""

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACED = ("platform.telemetry", "scaffolder.steps.runner", "scaffolder.tasks.execution")


class RecordedSpans(InMemorySpanExporter):
    """Finished spans; `text()` has all that an exporter would send."""

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.get_finished_spans())


def record_spans(monkeypatch: pytest.MonkeyPatch) -> RecordedSpans:
    """Record the spans of the scaffolder from now on."""
    exporter = RecordedSpans()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for module in TRACED:
        monkeypatch.setattr(f"understage.{module}.tracer", provider.get_tracer("test"))
    return exporter


def record_metrics(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    """Record the metrics of tasks and steps from now on."""
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    for place in ("steps.measures.step", "tasks.measures.task"):
        monkeypatch.setattr(f"understage.scaffolder.{place}_count", meter.create_counter(f"{place}.count"))
        monkeypatch.setattr(f"understage.scaffolder.{place}_duration", meter.create_histogram(f"{place}.duration"))
    return reader
