"""Costs in a whole service: OpenCost asked over a socket, entities annotated, the API, the command."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from tests.store.service_bench import ServiceBench, running_service
from tests.unit.costs.opencost import answer
from typer.testing import CliRunner

from understage.cli.main import app

ANNOTATION = "understage.io/monthly-cost"
SPENT = answer({"ledger-production/ledger": {"cpuCost": 16.8}, "ledger-staging/ledger": {"ramCost": 1.68}})
LEDGER = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": "ledger"},
    "spec": {"type": "service", "lifecycle": "production", "owner": "group:default/payments"},
}


@contextmanager
def opencost() -> Iterator[tuple[str, list[str]]]:
    """A server that answers as OpenCost's specification says; its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(SPENT).encode()
            self.send_response(200 if self.path.startswith("/allocation/compute?") else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


async def annotated(bench: ServiceBench) -> dict[str, Any]:
    """The entity, when it has the annotation."""
    deadline = time.monotonic() + 20
    while True:
        entity: dict[str, Any] = (await bench.get("/api/catalog/entities/by-name/component/default/ledger")).json()
        if ANNOTATION in entity["metadata"]["annotations"]:
            return entity
        assert time.monotonic() < deadline, entity
        await refresh(bench)
        await asyncio.sleep(0.1)


async def refresh(bench: ServiceBench) -> None:
    """Another round of processing."""
    asked = await bench.post("/api/catalog/refresh", {"entityRef": "component:default/ledger"})
    assert asked.status_code == 200
    await bench.settle()


async def test_costs_are_on_the_entity_and_in_the_api(tmp_path: Path) -> None:
    with opencost() as (url, asked):
        overlay = {"understage": {"costs": {"openCost": {"url": url, "currency": "EUR"}}}}
        async with running_service(tmp_path, [LEDGER], overlay=overlay) as bench:
            entity = await annotated(bench)
            # 18.48 in 168 hours are 80.30 in 730.
            assert entity["metadata"]["annotations"][ANNOTATION] == "80 EUR"
            etag = entity["metadata"]["etag"]
            for _ in range(3):
                await refresh(bench)
            assert (await annotated(bench))["metadata"]["etag"] == etag

            answered = (await bench.get("/api/understage/services/ledger/cost")).json()
            assert (answered["monthly"], answered["currency"]) == (80.3, "EUR")
            answered = (await bench.get("/api/understage/namespaces/ledger-production/cost")).json()
            assert answered["monthly"] == 73.0
            assert len(asked) == 2  # the catalog once, the API once
            assert "aggregate=namespace,label:app_kubernetes_io_name" in asked[0]

            document = (await bench.get("/api/understage/openapi.json")).json()
            assert "/services/{name}/cost" in "".join(document["paths"])
            for path in ("services/ledger/cost", "namespaces/ledger-production/cost"):
                nobody = await bench.client.get(f"/api/understage/{path}", headers={"authorization": ""})
                assert nobody.status_code == 401


async def test_an_opencost_that_is_away_stops_nothing(tmp_path: Path) -> None:
    overlay = {"understage": {"costs": {"openCost": {"url": "http://127.0.0.1:9"}}}}
    async with running_service(tmp_path, [LEDGER], overlay=overlay) as bench:
        entity = (await bench.get("/api/catalog/entities/by-name/component/default/ledger")).json()
        assert ANNOTATION not in entity["metadata"]["annotations"]
        answered = await bench.get("/api/understage/services/ledger/cost")
        assert answered.status_code >= 500
        assert "OpenCost at http://127.0.0.1:9 does not answer" in answered.json()["error"]["message"]
        await bench.assert_works()


@pytest.mark.parametrize("form", ["table", "json"])
async def test_the_command_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    with opencost() as (url, _asked):
        overlay = {"understage": {"costs": {"openCost": {"url": url, "currency": "EUR"}}}}
        async with running_service(tmp_path, [LEDGER], overlay=overlay) as bench:
            answers = {
                path: await bench.get(path)
                for path in (
                    "/api/understage/services/ledger/cost",
                    "/api/understage/namespaces/ledger-staging/cost",
                    "/api/understage/services/nobody/cost",
                )
            }

    def get(asked: str, **options: Any) -> httpx.Response:
        # What the service answered, without the socket that the bench does not open.
        assert options["headers"] == {"authorization": "Bearer t0k"}
        return answers[asked.removeprefix("http://understage.test")]

    monkeypatch.setattr(httpx, "get", get)
    options = ["--url", "http://understage.test/", "--token", "t0k", "--format", form]
    ran = CliRunner().invoke(app, ["cost", "show", "ledger", *options])
    assert ran.exit_code == 0, ran.output
    if form == "json":
        assert json.loads(ran.stdout)["monthly"] == 80.3
    else:
        assert "73.00 EUR  ledger-production" in ran.output
        assert "80.30 EUR  a month, as the last 7 days went on" in ran.output
        assert "7.30 EUR    memory" in ran.output
    ran = CliRunner().invoke(app, ["cost", "show", "ledger-staging", "--cluster-namespace", *options])
    assert "7.3" in ran.output
    ran = CliRunner().invoke(app, ["cost", "show", "nobody", *options])
    assert (ran.exit_code, "There is no entity component:default/nobody" in ran.output) == (2, True)
