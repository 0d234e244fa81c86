"""When a schedule is due next. Pure; called by `catalog.scheduling`, which has the database's time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from understage.errors import InputError
from understage.model.cron import cron_fields
from understage.sdk.schedule import Schedule


def check_schedule(task_id: str, schedule: Schedule) -> None:
    """Raises InputError for a cron expression that is none, and for lengths of time that are not positive."""
    if schedule.timeout <= timedelta(0):
        raise InputError(f"the timeout of {task_id} must be longer than nothing")
    if isinstance(schedule.frequency, timedelta):
        if schedule.frequency <= timedelta(0):
            raise InputError(f"the frequency of {task_id} must be longer than nothing")
    elif not schedule.is_manual:
        _times(schedule.frequency, 0)


def first_run(schedule: Schedule, at: int) -> int | None:
    """When a new task runs first, in milliseconds; `at` is now."""
    if schedule.initial_delay is not None:
        return at + _milliseconds(schedule.initial_delay)
    return at if isinstance(schedule.frequency, timedelta) else following_run(schedule, at)


def following_run(schedule: Schedule, at: int, *, last: int | None = None) -> int | None:
    """When a task runs again; `last` is when the run before began. Runs that were missed are not made up for."""
    if schedule.is_manual:
        return None
    if isinstance(schedule.frequency, timedelta):
        return max(at, (at if last is None else last) + _milliseconds(schedule.frequency))
    return int(next(_times(schedule.frequency, at)).timestamp() * 1000)


def _times(expression: str | timedelta, at: int) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError

    text = cron_fields(str(expression))
    try:
        times: Iterator[datetime] = CronSim(text, datetime.fromtimestamp(at / 1000, UTC))
    except CronSimError as error:
        raise InputError(
            f"'{text}' is no cron expression ({error}); it needs five fields, or six with seconds first"
        ) from error
    return times


def _milliseconds(length: timedelta) -> int:
    return int(length.total_seconds() * 1000)
