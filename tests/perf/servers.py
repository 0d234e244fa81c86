"""The two contenders, one at a time: started on databases of their own on one PostgreSQL server, timed until they answer.

Both run the configuration that people start from, `app-config.yaml`, as in production: signed-in users, logs at info into a file,
pools and intervals as each has them by default.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import psycopg
from tests.cluster.bench.process import BenchError, Process, free_port, running
from tests.contract.backend import place, write_overlay
from tests.contract.installation import ROOT, Installation
from tests.databases import PostgresServer
from tests.perf.connection import Connection, quiet_json
from tests.portal.issuer import MemoryIssuer

READY = "/.backstage/health/v1/readiness"
READY_SECONDS = 120.0
USER = "user:default/guest"
ENVIRONMENT = {"NO_COLOR": "1", "LOG_LEVEL": "info", "NODE_ENV": "production"}


@dataclass(frozen=True)
class Server:
    """A contender that answers; `ready_seconds` is from its launch to readiness, `launched` the monotonic time of the launch."""

    name: str
    url: str
    token: str
    process: Process
    database: str
    launched: float
    ready_seconds: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def connect(self) -> Connection:
        return Connection(self.url, self.token)


class Contender:
    """One of the two backends: `stock` with an installation of its packages, Understage without one."""

    def __init__(self, postgres: PostgresServer, folder: Path, installation: Installation | None = None) -> None:
        self.name = "understage" if installation is None else "stock"
        self._postgres = postgres
        self._folder = folder
        self._installation = installation
        self._starts = 0

    def new_place(self) -> int:
        """A port whose databases do not exist yet."""
        return free_port()

    def database(self, port: int) -> str:
        """The name of the database of the catalog on this port."""
        return f"on_{port}_{'understage' if self._installation is None else 'catalog'}"

    @contextmanager
    def running(self, port: int, config: Mapping[str, Any]) -> Iterator[Server]:
        """Start it with these changes of app-config.yaml; end it with the block."""
        self._starts += 1
        folder = self._folder / f"{self.name}-{self._starts}"
        folder.mkdir(parents=True)
        with _user_tokens() as (issuer, issuer_port):
            files = [ROOT / "app-config.yaml", write_overlay(folder / "bench.yaml", {**config})]
            files.append(write_overlay(folder / "place.yaml", self._place(port, folder, issuer_port)))
            command = self._command(folder, files)
            launched = time.monotonic()
            with running(self.name, command, folder, environment=ENVIRONMENT) as process:
                url = f"http://127.0.0.1:{port}"
                _wait_until_ready(url, process)
                seconds = time.monotonic() - launched
                token = issuer.issue(USER, [USER])[0] if self._installation is None else _signed_in(url)
                yield Server(self.name, url, token, process, self.database(port), launched, seconds)

    def drop(self, port: int) -> None:
        """Remove the databases of a port."""
        with connected(self._postgres, "postgres") as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"on\\_{port}\\_%"])
            for (name,) in names.fetchall():
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _place(self, port: int, folder: Path, issuer_port: int) -> dict[str, Any]:
        overlay = place(port, self._postgres.url("postgres"), folder)
        del overlay["backend"]["database"]["knexConfig"]
        if self._installation is None:
            target = f"http://127.0.0.1:{issuer_port}/api/{{{{pluginId}}}}"
            overlay["discovery"] = {"endpoints": [{"target": target, "plugins": ["auth"]}]}
        return overlay

    def _command(self, folder: Path, files: Sequence[Path]) -> list[Path | str]:
        options = [part for file in files for part in ("--config", file)]
        if self._installation is None:
            return ["env", "-C", ROOT, Path(sys.executable).with_name("understage"), "serve", *options]
        work = folder / "stock"
        self._installation.compose(work)
        return ["env", "-C", work, self._installation.node, "index.js", *options]


def _wait_until_ready(url: str, process: Process) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with Connection(url) as connection:
        while quiet_json(connection, READY) is None:
            if process.handle.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{process.name} does not become ready\n{process.last_lines()}")
            time.sleep(0.02)


def _signed_in(url: str) -> str:
    with Connection(url) as connection:
        return str(connection.json("GET", "/api/auth/guest/refresh")["backstageIdentity"]["token"])


@contextmanager
def _user_tokens() -> Iterator[tuple[MemoryIssuer, int]]:
    """An issuer whose keys are published as the stock auth backend publishes its own."""
    issuer = MemoryIssuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = orjson.dumps(issuer.public_jwks())
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer, server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def connected(postgres: PostgresServer, database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the bench's own to one of the databases."""
    url = postgres.url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
