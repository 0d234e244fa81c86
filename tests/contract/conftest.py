"""Fixtures of the contract tests: the stock backend's packages, and both backends side by side over the same files."""

from collections.abc import Iterator

import pytest
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
