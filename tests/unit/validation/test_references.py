"""References of files that lead nowhere: within the files, and against a live catalog."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.store.catalog_bench import component
from tests.unit.validation.command import Run, findings, places


class LiveCatalog(ThreadingHTTPServer):
    """Answers by-refs for the references it has; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.has: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: LiveCatalog

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, **body})
        self.server.tokens.append(self.headers["Authorization"])
        items = [{"kind": "X"} if ref in self.server.has else None for ref in body["entityRefs"]]
        allowed = self.headers["Authorization"] == "Bearer good"
        error = {"error": {"name": "AuthenticationError", "message": "Illegal token"}}
        content = json.dumps({"items": items} if allowed else error).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def live_catalog() -> Iterator[LiveCatalog]:
    server = LiveCatalog()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One that refers to the other, to a group and to two more."""
    (tmp_path / "a.yaml").write_text(
        component("one", owner="team-a", dependsOn=["component:two", "resource:Gone", "resource:db"])
    )
    (tmp_path / "b.yaml").write_text(component("two", owner="user:guest"))
    return tmp_path


def test_references_are_not_looked_at_unless_asked(run: Run, files: Path) -> None:
    assert run("*.yaml").exit_code == 0


def test_references_must_lead_into_the_files(run: Run, files: Path) -> None:
    result = run("*.yaml", "--references", "--format", "json")
    assert result.exit_code == 1
    assert places(result) == [
        ("reference", 8, 10),
        ("reference", 9, 32),
        ("reference", 9, 49),
        ("reference", 8, 10),
    ]
    messages = [found["message"] for found in findings(result)]
    assert messages[:2] == [
        "/spec/owner names group:default/team-a, which is not in these files",
        "/spec/dependsOn/1 names resource:default/gone, which is not in these files",
    ]


@pytest.mark.parametrize("path", ["", "/", "/api/catalog"])
def test_references_may_lead_into_a_live_catalog(run: Run, files: Path, live_catalog: LiveCatalog, path: str) -> None:
    live_catalog.has = {"group:default/team-a", "user:default/guest", "resource:default/db"}
    result = run("*.yaml", "--against", live_catalog.url + path, "--token", "good", "--format", "json")
    assert places(result) == [("reference", 9, 32)]
    [asked] = live_catalog.asked
    assert asked == {
        "path": "/api/catalog/entities/by-refs",
        "entityRefs": ["group:default/team-a", "resource:default/db", "resource:default/gone", "user:default/guest"],
        "fields": ["kind"],
    }


def test_a_live_catalog_is_asked_in_batches_with_the_token_of_the_environment(
    run: Run, tmp_path: Path, live_catalog: LiveCatalog
) -> None:
    names = [f"component:c{number:04}" for number in range(1100)]
    live_catalog.has = {"group:default/team-a", *(name.replace(":", ":default/") for name in names)}
    (tmp_path / "a.yaml").write_text(component("one", dependsOn=names))
    result = run("a.yaml", "--against", live_catalog.url, env={"UNDERSTAGE_TOKEN": "good"})
    assert (result.exit_code, result.stdout) == (0, "1 entity in 1 file: nothing is wrong\n")
    assert [len(asked["entityRefs"]) for asked in live_catalog.asked] == [500, 500, 101]


def test_a_catalog_that_refuses_gives_no_verdict(run: Run, files: Path, live_catalog: LiveCatalog) -> None:
    result = run("*.yaml", "--against", live_catalog.url, "--token", "bad")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The catalog refused looking up references: Illegal token" in result.stderr
