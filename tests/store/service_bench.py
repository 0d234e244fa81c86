"""A whole service, as the commands make it, over files of the test: asked over HTTP, without a socket.

Forge, cluster and Argo CD are configured and refuse connections; whoever reads a URL reads the folder of the test.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import yaml
from sqlalchemy import text

from understage.app import Service, create_service
from understage.config.settings import read_settings
from understage.config.sources import Configuration, load_configuration
from understage.model.yaml import parse_document
from understage.platform.database import Database

DEADLINE = 30.0
FORGE_PASSWORD = "forge-password-5f1c9a"
CLUSTER_TOKEN = "cluster-token-77ab03"
ARGOCD_TOKEN = "argocd-token-1be44d"
ENCRYPTION_KEY = "encryption-key-90c2aa"
CONFIGURED_SECRETS = (FORGE_PASSWORD, CLUSTER_TOKEN, ARGOCD_TOKEN, ENCRYPTION_KEY)
ENDED = ("completed", "failed", "cancelled")

Entity = dict[str, Any]


def template(name: str, steps: Sequence[Mapping[str, Any]], **spec: Any) -> Entity:
    """A Template entity; steps without an id are numbered."""
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": name},
        "spec": {"type": "service", "owner": "group:default/platform", "steps": list(steps), **spec},
    }


def closed_port() -> int:
    """A port of loopback that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ServiceBench:
    """A running service and a guest who is signed in to it. `files` is the URL of `folder`."""

    service: Service
    client: httpx.AsyncClient
    folder: Path
    files: str
    configuration: Configuration

    @property
    def database(self) -> Database:
        return self.service.database

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.client.post(path, **({"json": body} if body is not None else {}), **options)

    async def entity(self, kind: str, name: str) -> Entity:
        answer = await self.get(f"/api/catalog/entities/by-name/{kind}/default/{name}")
        assert answer.status_code == 200, answer.text
        found: Entity = answer.json()
        return found

    async def names(self) -> list[str]:
        """The references of all entities but locations."""
        entities = (await self.get("/api/catalog/entities")).json()
        refs = [f"{entity['kind'].lower()}:{entity['metadata']['name']}" for entity in entities]
        return sorted(ref for ref in refs if not ref.startswith("location:"))

    async def create(self, template_name: str, values: Any = None, secrets: Any = None) -> httpx.Response:
        body = {"templateRef": f"template:default/{template_name}", "values": {} if values is None else values}
        return await self.post("/api/scaffolder/v2/tasks", body if secrets is None else {**body, "secrets": secrets})

    async def run(self, template_name: str, values: Any = None, secrets: Any = None) -> "EndedTask":
        """Run a template to its end."""
        answer = await self.create(template_name, values, secrets)
        assert answer.status_code == 201, answer.text
        return await self.ended(answer.json()["id"])

    async def ended(self, task_id: str) -> "EndedTask":
        """A task, as soon as it has ended."""
        path = f"/api/scaffolder/v2/tasks/{task_id}"
        deadline = time.monotonic() + DEADLINE
        while (task := (await self.get(path)).json())["status"] not in ENDED:
            assert time.monotonic() < deadline, task
            await asyncio.sleep(0.05)
        stream = await self.get(f"{path}/eventstream")
        assert stream.status_code == 200
        events = [json.loads(line[5:]) for line in stream.text.splitlines() if line.startswith("data:")]
        return EndedTask(task, events, stream.text)

    async def settle(self) -> None:
        await self.service.wait_until_ingested(DEADLINE)

    async def assert_works(self) -> None:
        """Whatever came before: the service is ready, and the next good task completes."""
        ready = await self.get("/.backstage/health/v1/readiness")
        assert ready.status_code == 200, ready.text
        task = await self.run("good", {"name": "fine"})
        assert task.status == "completed", task.messages

    async def dump(self) -> str:
        """Every row of every table as text."""
        async with self.database.read() as connection:
            query = (
                "SELECT name FROM sqlite_master WHERE type = 'table'"
                if self.database.url.get_backend_name() == "sqlite"
                else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            tables = [row[0] for row in await connection.execute(text(query))]
            assert {"tasks", "task_events", "refresh_state"} <= set(tables), tables
            rows = []
            for table in tables:
                rows += [(table, *row) for row in await connection.execute(text(f'SELECT * FROM "{table}"'))]
        return "\n".join(" ".join(map(_readable, row)) for row in rows)


def _readable(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


@dataclass(frozen=True)
class EndedTask:
    """A task after its end, with its events; `stream` is the event stream as sent."""

    row: dict[str, Any]
    events: list[dict[str, Any]]
    stream: str

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def messages(self) -> str:
        return "\n".join(str(event["body"].get("message", "")) for event in self.events)

    @property
    def error(self) -> dict[str, Any]:
        """The error of the completion event."""
        found: dict[str, Any] = self.events[-1]["body"]["error"]
        return found


GOOD = template(
    "good",
    [{"id": "say", "name": "Say", "action": "debug:log", "input": {"message": "hello ${{ parameters.name }}"}}],
    parameters={"required": ["name"], "properties": {"name": {"type": "string", "maxLength": 40}}},
)


def write_documents(file: Path, documents: Sequence[Entity]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump_all(documents))


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves the files of a folder."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@asynccontextmanager
async def running_service(
    folder: Path,
    entities: Sequence[Entity] = (),
    *,
    database: Database | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> AsyncIterator[ServiceBench]:
    """A service with these entities, the template `good`, and the files of `folder`/more.

    Its database lies in `folder`, unless another is given.
    """
    write_documents(folder / "entities" / "all.yaml", [GOOD, *entities])
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(folder / "public")))
    (folder / "public").mkdir(exist_ok=True)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    file = folder / "app-config.yaml"
    files = ["entities/all.yaml", *(f"more/{path.name}" for path in sorted((folder / "more").glob("*.yaml")))]
    file.write_text(yaml.safe_dump(_configuration(address, files, database)))
    configuration = load_configuration(
        [file], parse=parse_document, environ={}, root=folder, overrides=dict(overlay or {})
    )
    service = await create_service(configuration, read_settings(configuration), root=folder, standalone=True)
    await service.start()
    try:
        transport = httpx.ASGITransport(service.web, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7007", timeout=60) as client:
            session = (await client.get("/api/auth/guest/refresh")).json()
            client.headers["authorization"] = f"Bearer {session['backstageIdentity']['token']}"
            bench = ServiceBench(service, client, folder, f"http://{address}", configuration)
            await bench.settle()
            yield bench
    finally:
        await service.stop()
        server.shutdown()
        server.server_close()


def _configuration(address: str, files: Sequence[str], database: Database | None) -> dict[str, Any]:
    forge, cluster, argocd = closed_port(), closed_port(), closed_port()
    connection: dict[str, Any] = {"client": "better-sqlite3", "connection": {"directory": "data"}}
    if database is not None and database.url.get_backend_name() == "postgresql":
        url = database.url
        server = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
        connection = {"client": "pg", "connection": server, "prefix": "", "ensureExists": False}
    return {
        "app": {"title": "Bench", "baseUrl": "http://localhost:7007"},
        "backend": {
            "baseUrl": "http://localhost:7007",
            "listen": {"host": "127.0.0.1", "port": 7007},
            "database": connection,
            "reading": {"allow": [{"host": address}]},
        },
        "auth": {"environment": "development", "providers": {"guest": {"userEntityRef": "user:default/guest"}}},
        "catalog": {
            "rules": [{"allow": ["Component", "API", "Group", "User", "Template", "Location", "System"]}],
            "locations": [{"type": "file", "target": file} for file in files],
        },
        "integrations": {
            "gitea": [
                {
                    "host": f"127.0.0.1:{forge}",
                    "baseUrl": f"http://127.0.0.1:{forge}",
                    "username": "bot",
                    "password": FORGE_PASSWORD,
                }
            ]
        },
        "kubernetes": {
            "clusterLocatorMethods": [
                {
                    "type": "config",
                    "clusters": [
                        {
                            "name": "away",
                            "url": f"https://127.0.0.1:{cluster}",
                            "authProvider": "serviceAccount",
                            "serviceAccountToken": CLUSTER_TOKEN,
                            "skipTLSVerify": True,
                        }
                    ],
                }
            ]
        },
        "argocd": {
            "appLocatorMethods": [
                {
                    "type": "config",
                    "instances": [{"name": "away", "url": f"http://127.0.0.1:{argocd}", "token": ARGOCD_TOKEN}],
                }
            ]
        },
        "understage": {"dataDirectory": "data", "encryptionKey": ENCRYPTION_KEY},
    }
