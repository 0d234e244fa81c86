"""Metrics of tasks and steps, under the names of Backstage scaffolder-backend 4.2.0."""

import time
from collections.abc import Callable

from understage.platform.telemetry import meter

task_count = meter.create_counter("scaffolder.task.count", description="Count of task runs by template and result")
task_duration = meter.create_histogram("scaffolder.task.duration", unit="s", description="Duration of a task run")
step_count = meter.create_counter(
    "scaffolder.step.count", description="Count of step runs by template, step name and result"
)
step_duration = meter.create_histogram("scaffolder.step.duration", unit="s", description="Duration of a step run")
_RESULTS = {"completed": "ok"}


def measure_task(template: str) -> Callable[[str], None]:
    """Start the clock of a task; call what it returns with the final status."""
    began = time.perf_counter()

    def done(status: str) -> None:
        attributes = {"template": template, "result": _RESULTS.get(status, status)}
        task_count.add(1, attributes)
        task_duration.record(time.perf_counter() - began, attributes)

    return done


def measure_step(template: str, step: str) -> Callable[[str], None]:
    """The same for a step; `step` is its name in the template, before rendering."""
    began = time.perf_counter()

    def done(status: str) -> None:
        attributes = {"template": template, "step": step, "result": _RESULTS.get(status, status)}
        step_count.add(1, attributes)
        step_duration.record(time.perf_counter() - began, attributes)

    return done
