"""How often a CronJob runs. `workloads` asks."""

from datetime import UTC, datetime, timedelta

from understage.errors import InputError
from understage.model.cost.prices import HOURS_OF_MONTH
from understage.model.cron import cron_fields

# A year is counted where it has few runs, else four weeks, else one: each a whole number of weeks or nearly so.
_SPANS = ((365, 3000), (28, 3000), (7, 10080))
_START = datetime(2025, 1, 1, tzinfo=UTC)


def runs_of_month(schedule: str, what: str) -> float:
    """Of an average month. InputError, beginning with `what`, for what is no cron expression of five fields."""
    from cronsim import CronSim, CronSimError

    text = cron_fields(schedule)
    for days, most in _SPANS:
        end, count = _START + timedelta(days=days), 0
        try:
            if len(text.split()) != 5:
                raise CronSimError("it has not five fields")
            times = CronSim(text, _START - timedelta(seconds=1))
        except CronSimError as error:
            raise InputError(f"{what}: schedule {schedule[:60]!r} is no cron expression: {error}") from error
        for at in times:
            if at >= end or count > most:
                break
            count += 1
        if count <= most:
            return count * HOURS_OF_MONTH / (days * 24)
    raise AssertionError("a week has no more than 10 080 minutes")
