"""The names that cron has for expressions. The catalog's schedules and the cost of CronJobs read theirs through it."""

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def cron_fields(expression: str) -> str:
    """What a name such as `@daily` stands for; anything else without the blanks around it."""
    text = expression.strip()
    return _NAMED.get(text, text)
