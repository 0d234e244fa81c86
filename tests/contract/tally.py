"""How many requests were compared, and how they came out: a plugin that `tests/conftest.py` loads, for the sum at the end.

The counts of a test travel in its report, so that they add up over the processes of pytest-xdist.
"""

from collections import Counter
from collections.abc import Generator, Iterable

import pytest

EQUAL = "equal"
ON_PURPOSE = "different on purpose"
UNEQUAL = "different"
PROPERTY = "compared"

counts: Counter[str] = Counter()


def note(outcome: str) -> None:
    """Count a comparison of two answers."""
    counts[outcome] += 1


def describe(totals: Iterable[Counter[str]]) -> str:
    """One line for people."""
    total: Counter[str] = sum(totals, Counter())
    return (
        f"stock backend and Understage: {total.total()} requests compared, {total[EQUAL]} equal, "
        f"{total[ON_PURPOSE]} different on purpose, {total[UNEQUAL]} different"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    before = counts.copy()
    try:
        return (yield)
    finally:
        if made := dict(counts - before):
            item.user_properties.append((PROPERTY, made))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, ())]
    properties = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    if properties:
        terminalreporter.write_line(describe(map(Counter, properties)))
