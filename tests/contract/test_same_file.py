"""The repository's app-config.yaml starts either backend: the same keys mean the same, and both serve the same entities."""

from pathlib import Path
from typing import Any

from tests.contract.backend import Backend, StockBackend, UnderstageBackend, at_rest, free_port, place, write_overlay
from tests.contract.installation import ROOT, Installation
from tests.databases import PostgresServer

TOKEN = "a-token-for-this-test"


def test_the_same_file_starts_either_backend(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    stock_files, stock_port = _files(postgres_server, tmp_path / "stock")
    our_files, our_port = _files(postgres_server, tmp_path / "understage")
    with (
        StockBackend.running(stock_installation, tmp_path / "stock", stock_files, port=stock_port) as stock,
        UnderstageBackend.running(tmp_path / "understage", our_files, port=our_port) as ours,
    ):
        served_by_stock, served_by_us = at_rest(lambda: (_entities(stock), _entities(ours)))
    assert served_by_us == served_by_stock
    assert {"template:default/new-service", "user:default/guest"} <= served_by_us.keys()


def _files(postgres: PostgresServer, folder: Path) -> tuple[list[Path], int]:
    """app-config.yaml with nothing but a backend's place and a token changed, and its port."""
    port = free_port()
    overlay = place(port, postgres.url("postgres"), folder)
    static = {"type": "static", "options": {"token": TOKEN, "subject": "a-test"}}
    overlay["backend"]["auth"] = {"externalAccess": [static]}
    return [ROOT / "app-config.yaml", write_overlay(folder / "app-config.test.yaml", overlay)], port


def _entities(backend: Backend) -> dict[str, Any]:
    """Specification, relations and status by reference.

    Locations are left out: their names come from the folder a backend runs in.
    """
    answer = backend.request("GET", "/api/catalog/entities", token=TOKEN)
    assert answer.status_code == 200, answer.text
    return {
        f"{entity['kind']}:{entity['metadata']['namespace']}/{entity['metadata']['name']}".lower(): {
            "spec": entity["spec"],
            "relations": entity["relations"],
            "status": entity.get("status"),
        }
        for entity in answer.json()
        if entity["kind"] != "Location"
    }
