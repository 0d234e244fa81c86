"""What the job does."""

from collections.abc import Callable, Iterable

from opentelemetry import trace

tracer = trace.get_tracer("job")


class WorkFailedError(Exception):
    """Some of the work could not be done; the rest is."""


def work(items: Iterable[str], do: Callable[[str], None]) -> int:
    """Do each item, and go on after one that fails. Returns how many were done.

    Raises WorkFailedError in the end when some failed, so that the run counts as failed and is tried again.
    """
    done, failed = 0, []
    with tracer.start_as_current_span("run") as span:
        for item in items:
            try:
                do(item)
                done += 1
            except Exception as error:
                span.record_exception(error)
                failed.append(f"{item}: {error}")
        span.set_attribute("job.items.done", done)
        span.set_attribute("job.items.failed", len(failed))
        if failed:
            raise WorkFailedError("; ".join(failed))
    return done
