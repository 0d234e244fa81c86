"""Fixtures of the contract tests: the stock backend's packages, and both backends side by side over the same files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.backend import StockBackend, UnderstageBackend, free_port, place, write_overlay
from tests.contract.files import ENTITIES, serving
from tests.contract.installation import ROOT, Installation, install, lacking
from tests.contract.pair import Pair
from tests.databases import PostgresServer, require

LOCATIONS = ("all", "broken", "badname", "optional-target")


@pytest.fixture(scope="session")
def stock_installation() -> Installation:
    """Node and the packages of the stock backend."""
    missing = lacking()
    require(missing is None, missing or "")
    return install()


@pytest.fixture(scope="module")
def pair(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Both backends, each whole and for itself, over the files in `entities`; ours takes the stock one's user tokens."""
    folder = tmp_path_factory.mktemp("pair")
    database = postgres_server.url("postgres")
    stock_port, our_port = free_port(), free_port()
    with serving() as files:
        same = write_overlay(folder / "same.yaml", _over_the_same_files(files.address))
        stock_place = write_overlay(folder / "stock.yaml", place(stock_port, database, folder))
        our_place = write_overlay(
            folder / "ours.yaml",
            {**place(our_port, database, folder), "discovery": _signed_in_by(stock_port, our_port)},
        )
        base = ROOT / "app-config.yaml"
        with (
            StockBackend.running(stock_installation, folder, [base, same, stock_place], port=stock_port) as stock,
            UnderstageBackend.running(folder, [base, same, our_place], port=our_port) as ours,
        ):
            pair = Pair(stock, ours, stock.sign_in(), files)
            pair.settle()
            yield pair


def _over_the_same_files(http: str) -> dict[str, object]:
    locations = [{"type": "file", "target": str(Path(ENTITIES, f"{name}.yaml"))} for name in LOCATIONS]
    return {
        "backend": {"reading": {"allow": [{"host": http}]}},
        "catalog": {"orphanStrategy": "keep", "locations": locations},
    }


def _signed_in_by(stock_port: int, our_port: int) -> dict[str, object]:
    return {
        "endpoints": [
            {"target": f"http://127.0.0.1:{stock_port}/api/{{{{pluginId}}}}", "plugins": ["*"]},
            {"target": f"http://127.0.0.1:{our_port}/api/{{{{pluginId}}}}", "plugins": ["catalog", "scaffolder"]},
        ]
    }
