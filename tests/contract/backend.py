"""Two backends as processes, started from the same configuration files: the stock one (`StockBackend`) and Understage.

Understage runs in the repository's folder, as people start it, and the stock backend in one that looks the same, so that
relative paths in `app-config.yaml` mean the same to both. What a test changes (ports, database, neighbours) is one more
configuration file, written by `write_overlay`.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from sqlalchemy import URL
from tests.cluster.bench.process import Process, free_port, running
from tests.contract.installation import ROOT, Installation

READY_SECONDS = 60.0
# The stock backend opens a pool per plugin; the test server has few connections.
POOL = {"min": 0, "max": 4}


@dataclass(frozen=True)
class Backend:
    """A running backend. `url` is `http://127.0.0.1:PORT`."""

    name: str
    url: str
    process: Process

    @property
    def log(self) -> str:
        """All it has printed."""
        return self.process.log.read_text(errors="replace")

    def request(
        self, method: str, path: str, *, token: str | None = None, json: Any = None, **options: Any
    ) -> httpx.Response:
        """One request; `path` starts at the root, e.g. `/api/catalog/entities`."""
        headers = {**options.pop("headers", {}), **({"authorization": f"Bearer {token}"} if token else {})}
        body = {} if json is None else {"json": json}
        self._client.cookies.clear()
        return self._client.request(method, path, headers=headers, **body, **options)

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def sign_in(self) -> str:
        """The token of the guest, from this backend's own sign-in."""
        answer = self.request("GET", "/api/auth/guest/refresh")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["backstageIdentity"]["token"])

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/.backstage/health/v1/readiness").status_code == 200
        except httpx.TransportError:
            return False


class StockBackend(Backend):
    """The stock backend, under Node."""

    @classmethod
    @contextmanager
    def running(
        cls,
        installation: Installation,
        folder: Path,
        files: Sequence[Path],
        *,
        port: int,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator["StockBackend"]:
        """Run it with these configuration files until the block is left; its log is `folder/stock.log`."""
        installation.compose(folder / "stock")
        command = [installation.node, "index.js"]
        with _started("stock", command, folder, folder / "stock", files, environment) as process:
            backend = cls("stock", f"http://127.0.0.1:{port}", process)
            with backend._client:
                process.wait_until(backend._is_ready, READY_SECONDS)
                yield backend


class UnderstageBackend(Backend):
    """`understage serve`, the command that people type."""

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, files: Sequence[Path], *, port: int, environment: Mapping[str, str] | None = None
    ) -> Iterator["UnderstageBackend"]:
        """Run it with these configuration files until the block is left; its log is `folder/understage.log`."""
        command = [Path(sys.executable).with_name("understage"), "serve"]
        # `mutation` says by this path which backend is meant.
        path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        with _started("understage", command, folder, ROOT, files, path | dict(environment or {})) as process:
            backend = cls("understage", f"http://127.0.0.1:{port}", process)
            with backend._client:
                process.wait_until(backend._is_ready, READY_SECONDS)
                yield backend


@contextmanager
def _started(
    name: str,
    command: Sequence[Path | str],
    folder: Path,
    work: Path,
    files: Sequence[Path],
    environment: Mapping[str, str] | None,
) -> Iterator[Process]:
    options = [part for file in files for part in ("--config", file)]
    # The log goes to `folder`, while relative paths in the configuration start at `work`.
    with running(
        name, ["env", "-C", work, *command, *options], folder, environment={"NO_COLOR": "1", **(environment or {})}
    ) as process:
        yield process


Seen = TypeVar("Seen")


def at_rest(look: Callable[[], Seen], *, quiet: float = 3.0, patience: float = 90.0) -> Seen:
    """What `look` sees once that is something, and has not changed for `quiet` seconds."""
    started = since = time.monotonic()
    seen = look()
    while not seen or time.monotonic() - since < quiet:
        assert time.monotonic() - started < patience, f"not at rest after {patience:.0f} s: {str(seen)[:1000]}"
        time.sleep(0.3)
        if (now := look()) != seen:
            seen, since = now, time.monotonic()
    return seen


def wait_until(seen: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return when it is seen."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"{what}: not seen within {seconds:.0f} s"
        time.sleep(0.3)


def write_overlay(file: Path, data: Mapping[str, Any]) -> Path:
    """Write a configuration file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dict(data), sort_keys=False), encoding="utf-8")
    return file


def place(port: int, database: URL, folder: Path) -> dict[str, Any]:
    """The overlay that gives a backend its port, its databases on a PostgreSQL server and its data folder.

    Every port has databases of its own, named after it.
    """
    connection = {"host": database.host, "port": database.port, "user": database.username, "password": ""}
    return {
        "backend": {
            "baseUrl": f"http://127.0.0.1:{port}",
            "listen": {"host": "127.0.0.1", "port": port},
            "database": {
                "client": "pg",
                "prefix": f"on_{port}_",
                "connection": connection,
                "knexConfig": {"pool": POOL},
            },
        },
        "auth": {"providers": {"guest": {"dangerouslyAllowOutsideDevelopment": True}}},
        "understage": {"dataDirectory": str(folder / "data")},
    }


__all__ = ["ROOT", "Backend", "StockBackend", "UnderstageBackend", "at_rest", "free_port", "place", "write_overlay"]
