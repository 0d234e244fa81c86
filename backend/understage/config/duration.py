"""Durations as people write them in app-config: `{hours: 1}`, `1h`, `90 seconds`, `PT1M`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_DAYS = {"years": 365.0, "months": 30.0, "weeks": 7.0, "days": 1.0}
_MILLISECONDS = {"hours": 3_600_000.0, "minutes": 60_000.0, "seconds": 1000.0, "milliseconds": 1.0}
_PARTS = {**{name: days * 86_400_000 for name, days in _DAYS.items()}, **_MILLISECONDS}
_UNITS = {
    **dict.fromkeys(("years", "year", "yrs", "yr", "y"), 365.25 * 86_400_000),
    **dict.fromkeys(("months", "month", "mo"), 365.25 / 12 * 86_400_000),
    **dict.fromkeys(("weeks", "week", "w"), 7 * 86_400_000.0),
    **dict.fromkeys(("days", "day", "d"), 86_400_000.0),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3_600_000.0),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), 60_000.0),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1000.0),
    **dict.fromkeys(("milliseconds", "millisecond", "msecs", "msec", "ms"), 1.0),
}
_WITH_UNIT = re.compile(r"([0-9]*\.?[0-9]+) *([a-z]+)", re.IGNORECASE)
_NUMBER = r"(\d+(?:\.\d+)?)"
_ISO = re.compile(
    rf"P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:(\d+(?:[.,]\d+)?)S)?)?"
)
_ISO_PARTS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")


def parse_duration(value: Any) -> timedelta:
    """The length of time that a human duration means (a month is 30 days, a year 365). Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        text = value.strip()
        return _parse_iso(text) if text.startswith("P") else _parse_with_unit(text)
    if isinstance(value, Mapping):
        return _parse_object(value)
    raise ValueError("expected a duration such as {minutes: 5}, '5m' or 'PT5M'")


def _parse_object(value: Mapping[str, Any]) -> timedelta:
    known = ", ".join(f"'{name}'" for name in _PARTS)
    if unknown := [name for name in value if name not in _PARTS]:
        raise ValueError(f"unknown duration property '{unknown[0]}'; expected one or more of {known}")
    if not value:
        raise ValueError(f"a duration needs one or more of {known}")
    total = 0.0
    for name, amount in value.items():
        try:
            total += float(amount) * _PARTS[name]
        except (TypeError, ValueError):
            raise ValueError(f"'{name}' of a duration must be a number, got {amount!r}") from None
    return timedelta(milliseconds=total)


def _parse_with_unit(text: str) -> timedelta:
    if text.isdigit():
        raise ValueError("a duration cannot be a plain number; try adding a unit like 'ms' or 'seconds'")
    match = _WITH_UNIT.fullmatch(text)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"'{text}' is not a duration, try a number followed by a unit such as '1d' or '2 seconds'")
    return timedelta(milliseconds=float(match[1]) * unit)


def _parse_iso(text: str) -> timedelta:
    match = _ISO.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"'{text}' is not an ISO duration, expected a value similar to 'P2DT6H' or 'PT1M'")
    amounts = zip(_ISO_PARTS, match.groups(), strict=True)
    return timedelta(
        milliseconds=sum(float(amount.replace(",", ".")) * _PARTS[name] for name, amount in amounts if amount)
    )


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A settings field that takes any form of human duration."""
