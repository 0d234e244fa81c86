"""Metrics of processing, under the stock backend's names."""

import asyncio

from opentelemetry import metrics, trace

SLICE = 500
MOST = 20_000

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


class ProcessorsDurations:
    """Gathers the seconds that processors took, by result, until there is time to tell the histogram of them.

    To count one costs a thirtieth of the entity that it is about; the rounds call `tell` when nothing is due.
    """

    def __init__(self) -> None:
        self._gathered: list[tuple[float, str]] = []

    def add(self, seconds: float, result: str) -> None:
        """Keep one; of many that are kept already, tell at once."""
        if len(self._gathered) < MOST:
            self._gathered.append((seconds, result))
        else:
            processors_duration.record(seconds, {"result": result})

    async def tell(self) -> None:
        """Tell of all that are kept, and let others run meanwhile."""
        while self._gathered:
            some, self._gathered = self._gathered[:SLICE], self._gathered[SLICE:]
            for seconds, result in some:
                processors_duration.record(seconds, {"result": result})
            await asyncio.sleep(0)


processors_durations = ProcessorsDurations()
