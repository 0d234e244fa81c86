"""Metrics of steps, under the names of Backstage scaffolder-backend 4.2.0."""

import time
from collections.abc import Callable

from understage.platform.telemetry import meter

step_count = meter.create_counter(
    "scaffolder.step.count", description="Count of step runs by template, step name and result"
)
step_duration = meter.create_histogram("scaffolder.step.duration", unit="s", description="Duration of a step run")
_RESULTS = {"completed": "ok"}


def measure_step(template: str | None, step: str) -> Callable[[str], None]:
    """Start the clock of a step; call what it returns with its status. `step` is its name in the template, unrendered."""
    began = time.perf_counter()

    def done(status: str) -> None:
        attributes = {"template": template or "", "step": step, "result": _RESULTS.get(status, status)}
        step_count.add(1, attributes)
        step_duration.record(time.perf_counter() - began, attributes)

    return done
