"""`understage health`, by which containers are judged: what it prints, and its exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from tests.cluster.bench.process import free_port
from typer.testing import CliRunner

from understage.cli.main import app


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A service that gives this answer to the readiness question."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/.backstage/health/v1/readiness" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_ready_service_is_ok_whatever_proxies_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with answering(200, b'{"status":"ok"}') as url:
        found = CliRunner().invoke(app, ["health", "--url", f"{url}/"])
    assert (found.exit_code, found.output) == (0, "ok\n")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (503, b'{"message":"Backend has not started yet","status":"error"}', "Error: Backend has not started yet"),
        (200, b"<html>", "does not answer"),
        (502, b"", "does not answer"),
    ],
)
def test_what_is_not_ready_is_told_with_exit_code_1(status: int, body: bytes, message: str) -> None:
    with answering(status, body) as url:
        found = CliRunner().invoke(app, ["health", "--url", url])
    assert found.exit_code == 1
    assert message in found.stderr


def test_nobody_there_is_told_with_exit_code_1() -> None:
    found = CliRunner().invoke(app, ["health", "--url", f"http://127.0.0.1:{free_port()}"])
    assert found.exit_code == 1
    assert "does not answer: [Errno 111] Connection refused" in found.stderr
