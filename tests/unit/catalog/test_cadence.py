"""When schedules are due: durations, cron expressions, triggers."""

from datetime import UTC, datetime, timedelta

import pytest

from understage.catalog.cadence import check_schedule, first_run, following_run
from understage.errors import InputError
from understage.sdk import Schedule

HOUR = 3_600_000
AT = int(datetime(2026, 11, 26, 10, 17, 30, tzinfo=UTC).timestamp() * 1000)


def schedule(frequency: timedelta | str, delay: timedelta | None = None) -> Schedule:
    return Schedule(frequency, timedelta(minutes=5), delay)


def moment(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("frequency", "first", "following"),
    [
        (timedelta(hours=3), AT, AT + 3 * HOUR),
        ("manual", None, None),
        ("0 * * * *", moment(2026, 11, 26, 11), moment(2026, 11, 26, 11)),
        ("*/5 * * * *", moment(2026, 11, 26, 10, 20), moment(2026, 11, 26, 10, 20)),
        ("15 */5 * * * *", moment(2026, 11, 26, 10, 20, 15), moment(2026, 11, 26, 10, 20, 15)),
        ("0 3 * * MON", moment(2026, 11, 30, 3), moment(2026, 11, 30, 3)),
        ("@daily", moment(2026, 11, 27), moment(2026, 11, 27)),
    ],
)
def test_when_a_task_runs(frequency: timedelta | str, first: int | None, following: int | None) -> None:
    assert first_run(schedule(frequency), AT) == first
    assert following_run(schedule(frequency), AT) == following
    assert first_run(schedule(frequency, timedelta(minutes=2)), AT) == AT + 120_000


def test_the_pause_counts_from_start_to_start_and_missed_runs_are_not_made_up_for() -> None:
    hourly = schedule(timedelta(hours=1))
    assert following_run(hourly, AT, last=AT - HOUR // 2) == AT + HOUR // 2
    assert following_run(hourly, AT, last=AT - 5 * HOUR) == AT


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (schedule("every day"), "'every day' is no cron expression"),
        (schedule("61 * * * *"), "no cron expression .Bad minute.; it needs five fields"),
        (schedule(timedelta(0)), "the frequency of t must be longer than nothing"),
        (Schedule("manual", timedelta(0)), "the timeout of t must be longer than nothing"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(wrong: Schedule, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_schedule("t", wrong)
