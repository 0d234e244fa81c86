"""The repository's app-config.yaml starts either backend: the same keys mean the same, and both serve the same entities."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from tests.contract.backend import Backend, StockBackend, UnderstageBackend, at_rest, free_port, place, write_overlay
from tests.contract.installation import ROOT, Installation
from tests.databases import PostgresServer

TOKEN = "a-token-for-this-test"


def test_the_same_file_starts_either_backend(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    stock = partial(StockBackend.running, stock_installation)
    served = [
        _serve(start, postgres_server, tmp_path / name)
        for name, start in (("stock", stock), ("understage", UnderstageBackend.running))
    ]
    assert served[0] == served[1]
    assert {"template:default/new-service", "user:default/guest"} <= served[0].keys()


def _serve(
    start: Callable[..., AbstractContextManager[Backend]], postgres: PostgresServer, folder: Path
) -> dict[str, Any]:
    """What a backend serves that is started from app-config.yaml, with nothing but its place and a token changed."""
    port = free_port()
    overlay = place(port, postgres.url("postgres"), folder)
    static = {"type": "static", "options": {"token": TOKEN, "subject": "a-test"}}
    overlay["backend"]["auth"] = {"externalAccess": [static]}
    files = [ROOT / "app-config.yaml", write_overlay(folder / "app-config.test.yaml", overlay)]
    with start(folder, files, port=port) as backend:
        return at_rest(lambda: _entities(backend))


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
