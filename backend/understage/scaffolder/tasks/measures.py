"""Metrics of tasks, under the names of Backstage scaffolder-backend 4.2.0."""

import time
from collections.abc import Callable

from understage.platform.telemetry import meter

task_count = meter.create_counter("scaffolder.task.count", description="Count of task runs by template and result")
task_duration = meter.create_histogram("scaffolder.task.duration", unit="s", description="Duration of a task run")
_RESULTS = {"completed": "ok"}


def measure_task(template: str, *, before: float = 0.0) -> Callable[[str], None]:
    """Start the clock of a task; call what it returns with the final status. `before`: seconds that it ran elsewhere."""
    began = time.perf_counter() - before

    def done(status: str) -> None:
        attributes = {"template": template, "result": _RESULTS.get(status, status)}
        task_count.add(1, attributes)
        task_duration.record(time.perf_counter() - began, attributes)

    return done
