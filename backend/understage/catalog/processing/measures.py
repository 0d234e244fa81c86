"""Metrics of processing, under the stock backend's names."""

from opentelemetry import metrics, trace

tracer = trace.get_tracer("understage.catalog")
_meter = metrics.get_meter("understage.catalog")

processed = _meter.create_counter(
    "catalog.processed.entities.count", description="Entities processed, by result: changed, unchanged, errors, failed"
)
duration = _meter.create_histogram(
    "catalog.processing.duration", unit="seconds", description="Time from the claim of a batch to its commit"
)
processors_duration = _meter.create_histogram(
    "catalog.processors.duration", unit="seconds", description="Time the processors took for one entity"
)
queue_delay = _meter.create_histogram(
    "catalog.processing.queue.delay", unit="seconds", description="How long the longest waiting entity had been due"
)
