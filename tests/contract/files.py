"""The files in `entities/http` over HTTP, as a forge would serve them; a test may replace or break one."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ENTITIES = Path(__file__).with_name("entities")
FILES = ENTITIES / "http"


class FileServer:
    """A running server; `replaced` maps a file's name to what is served in its place, or to None for a failure."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.replaced: dict[str, bytes | None] = {}
        self.address = f"127.0.0.1:{server.server_address[1]}"
        self.url = f"http://{self.address}"

    def answer(self, name: str) -> tuple[int, bytes]:
        if name in self.replaced:
            content = self.replaced[name]
            return (500, b"broken") if content is None else (200, content)
        file = FILES / name
        return (200, file.read_bytes()) if file.is_file() else (404, b"no such file")


@contextmanager
def serving() -> Iterator[FileServer]:
    """Serve on a free port of 127.0.0.1 until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = files.answer(self.path.partition("?")[0].lstrip("/"))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        files = FileServer(server)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
