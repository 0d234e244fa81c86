"""Fixtures of the contract tests: the stock backend's packages, and both backends side by side over the same files."""

from collections import Counter
from collections.abc import Generator, Iterator

import pytest
from tests.contract import tally
from tests.contract.installation import Installation, install, lacking
from tests.contract.pair import Pair, running_pair
from tests.databases import PostgresServer, require

LOCATIONS = (
    *("all", "broken", "badname", "optional-target", "checklist", "odd", "runner"),
    "templates/remote/template",
)


@pytest.fixture(scope="session")
def stock_installation() -> Installation:
    """Node and the packages of the stock backend."""
    missing = lacking()
    require(missing is None, missing or "")
    return install()


@pytest.fixture(scope="session")
def pair(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Both backends over the files that both serve alike."""
    folder = tmp_path_factory.mktemp("pair")
    with running_pair(stock_installation, postgres_server.url("postgres"), folder, LOCATIONS) as pair:
        yield pair


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    before = tally.counts.copy()
    try:
        return (yield)
    finally:
        item.user_properties.append((tally.PROPERTY, dict(tally.counts - before)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, ())]
    properties = [value for report in reports for name, value in report.user_properties if name == tally.PROPERTY]
    totals = [Counter(value) for value in properties if value]
    if totals:
        terminalreporter.write_line(tally.describe(totals))
