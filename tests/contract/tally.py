"""How many requests were compared, and how they came out; conftest.py prints the sum at the end of the run.

The counts of a test travel in its report, so that they add up over the processes of pytest-xdist.
"""

from collections import Counter
from collections.abc import Iterable

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
