"""What Kubernetes and Prometheus ask: `/health` and `/metrics`. Nobody else calls a worker."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@contextmanager
def answering(port: int, is_alive: Callable[[], bool]) -> Iterator[int]:
    """Answer on a port while it lasts; any free one for 0. Gives the port."""

    class Probes(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            elif self.path == "/health":
                is_well = is_alive()
                status = b'{"status":"ok"}' if is_well else b'{"status":"stuck"}'
                self._answer(200 if is_well else 503, status, "application/json")
            else:
                self._answer(404, b'{"error":"not found"}', "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """What is asked all the time says nothing about the work."""

    with ThreadingHTTPServer(("0.0.0.0", port), Probes) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
