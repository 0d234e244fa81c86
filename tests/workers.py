"""How the tests are shared among the workers of `make test` (pytest-xdist): a plugin that `tests/conftest.py` loads.

What stands on one bench goes to one worker, one after the other: its parts are started once, and its tests share names. The
benches come first, since they wait more than they compute: the other workers take file after file meanwhile, and so does a
worker whose bench is done. Without `-n` nothing of this counts: one process runs all, in the order of the folders.
"""

import os
from collections import Counter
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BENCHES = {
    # They start what they need, and nobody else's.
    "demo and Kyverno": ("tests/cluster/test_kyverno.py", "tests/cluster/test_demo.py", "tests/cluster/test_tools.py"),
    "platform": ("tests/cluster", "tests/portal/test_golden_path.py", "tests/crash/test_kills.py"),
    "stock backend": ("tests/contract",),
    "browser": ("tests/portal",),
    # In some of them leases run out: they must not make one another look dead.
    "replicas": ("tests/crash",),
}
"""Each bench with the folders and files of its tests; the first that fits counts."""
LONG = ("tests/unit/skeletons", "tests/docs", "tests/store")
"""Their files come before the others: what is long must not be left for the end."""


class BenchScheduling(LoadScopeScheduling):
    """Gives a worker a bench, or else a file, at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return _bench(nodeid) or _file(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BenchScheduling:
    config.option.loadscopereorder = False  # by the number of tests, which says little
    return BenchScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _rank(item.nodeid))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where the time went, for those who want to shorten it."""
    if not config.getoption("numprocesses", None):
        return
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_bench(report.nodeid) or "files"] += report.duration
    terminalreporter.write_line(", ".join(f"{name}: {spent:.0f} s" for name, spent in seconds.most_common()))


def _rank(nodeid: str) -> int:
    order = (*BENCHES.values(), LONG)
    return next((rank for rank, places in enumerate(order) if _within(nodeid, places)), len(order))


def _bench(nodeid: str) -> str | None:
    return next((bench for bench, places in BENCHES.items() if _within(nodeid, places)), None)


def _within(nodeid: str, places: tuple[str, ...]) -> bool:
    return any(PurePosixPath(_file(nodeid)).is_relative_to(place) for place in places)


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]
