"""Commands over a catalog that `discovery.endpoints` places elsewhere: who they say they are."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.unit.cli.test_action_commands import understage

from understage.sdk.yaml import dump

TOKEN = "of-the-job-0815"
LEDGER = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "ledger"}}


class Elsewhere(BaseHTTPRequestHandler):
    """Has one entity, for those who have the token."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/api/catalog/entities/by-refs" and self.headers["authorization"] == f"Bearer {TOKEN}":
            self._answer(200, {"items": [LEDGER for _ in asked["entityRefs"]]})
        else:
            self._answer(401, {"error": {"name": "AuthenticationError", "message": "Illegal token"}})

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        target = f"http://127.0.0.1:{server.server_port}/api/catalog"
        config = {
            "backend": {"baseUrl": "http://localhost:7007"},
            "discovery": {"endpoints": [{"target": target, "plugins": ["catalog"]}]},
            "understage": {"commands": {"token": "${CATALOG_TOKEN}"}},
        }
        (tmp_path / "app-config.yaml").write_text(dump(config))
        yield tmp_path
        server.shutdown()


def test_the_catalog_is_asked_with_the_token_of_the_configuration(folder: Path) -> None:
    fetch = ["run", "catalog:fetch", "--set", "entityRef=component:default/ledger", "--json"]
    done = understage(folder, *fetch, CATALOG_TOKEN=TOKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["output"]["entity"] == LEDGER
    assert TOKEN not in done.stdout + done.stderr


def test_without_it_the_refusal_says_which_key_is_missing(folder: Path) -> None:
    refused = understage(folder, "run", "catalog:fetch", "--set", "entityRef=component:default/ledger")
    assert refused.returncode == 1
    assert "The catalog refused reading entities: Illegal token" in refused.stderr
    assert "understage.commands.token" in refused.stderr
