"""Metrics of stitching, under the stock backend's names."""

from opentelemetry import metrics, trace

tracer = trace.get_tracer("understage.catalog")
_meter = metrics.get_meter("understage.catalog")

stitched = _meter.create_counter(
    "catalog.stitched.entities.count", description="Entities stitched, by result: changed, unchanged, error"
)
duration = _meter.create_histogram(
    "catalog.stitching.duration", unit="seconds", description="Time from the claim of a batch to its commit"
)
queue_delay = _meter.create_histogram(
    "catalog.stitching.queue.delay", unit="seconds", description="How long the longest waiting entity had waited"
)
