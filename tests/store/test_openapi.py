"""The OpenAPI documents of a whole service: complete, and true of what the service takes and answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from tests.store.service_bench import ServiceBench, running_service

PLUGINS = ("catalog", "scaffolder", "understage")
VALUES = {"string": "asc:x", "integer": "1", "boolean": "true", "array": "x=y"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with running_service(tmp_path) as running:
        yield running


def routes_of(bench: ServiceBench, plugin: str) -> dict[str, set[str]]:
    """Paths and methods as FastAPI itself lists them."""
    [mount] = [
        route for route in bench.service.web.routes if isinstance(route, Mount) and route.path == f"/api/{plugin}"
    ]
    app = mount.app
    assert isinstance(app, FastAPI)
    return {f"/api/{plugin}{path}": set(operations) for path, operations in app.openapi()["paths"].items()}


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_every_route_is_in_the_document(bench: ServiceBench, plugin: str) -> None:
    document = (await bench.get(f"/api/{plugin}/openapi.json")).json()

    assert document["openapi"] == "3.0.3"
    assert {path: set(operations) for path, operations in document["paths"].items()} == routes_of(bench, plugin)
    assert f"/api/{plugin}/openapi.json" in document["paths"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    undescribed = [operation["operationId"] for operation in operations if operation["responses"].get("200") == {}]
    assert undescribed == []


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_it_needs_credentials(bench: ServiceBench, plugin: str) -> None:
    answer = await bench.get(f"/api/{plugin}/openapi.json", headers={"authorization": ""})
    assert answer.status_code == 401
    assert answer.json()["error"]["name"] == "AuthenticationError"


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_the_validator_takes_what_is_declared_and_nothing_else(bench: ServiceBench, plugin: str) -> None:
    document = (await bench.get(f"/api/{plugin}/openapi.json")).json()
    seen = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            declared = [item for item in operation["parameters"] if item["in"] == "query"]
            for item in declared:
                await assert_declared(bench, method, path, item, declared)
                seen += 1
            if declared:
                message = await refused(bench, method, path, {"undeclared": "1"})
                assert message == "Unknown query parameter 'undeclared'"
    assert seen >= {"catalog": 20, "scaffolder": 7, "understage": 7}[plugin]


async def assert_declared(
    bench: ServiceBench, method: str, path: str, item: dict[str, Any], declared: list[dict[str, Any]]
) -> None:
    name, schema = item["name"], item["schema"]
    others = {other["name"]: "kind" for other in declared if other["required"] and other is not item}
    choices = schema.get("items", schema).get("enum", [])
    value = choices[0] if choices else VALUES[schema["type"]]
    message = await refused(bench, method, path, {name: value, **others})
    assert message is None or not message.startswith(("Unknown query", "Empty value", "request/query"))
    assert await refused(bench, method, path, {name: "", **others}) == f"Empty value found for query parameter '{name}'"
    if schema["type"] == "integer":
        assert await refused(bench, method, path, {name: "x", **others}) == f"request/query/{name} must be integer"
    if "minimum" in schema:
        low = {name: str(schema["minimum"] - 1), **others}
        assert await refused(bench, method, path, low) == f"request/query/{name} must be >= {schema['minimum']}"
    if choices:
        wrong = await refused(bench, method, path, {name: "neither", **others})
        assert wrong == f"request/query/{name} must be equal to one of the allowed values: {', '.join(choices)}"
    if item["required"]:
        assert await refused(bench, method, path, others) == f"request/query must have required property '{name}'"


async def refused(bench: ServiceBench, method: str, path: str, query: dict[str, str]) -> str | None:
    """The message of a 400 answer, without what it tells of the body besides."""
    filled = path.replace("{", "").replace("}", "")
    body = {"content": b"{}", "headers": {"content-type": "application/json"}} if method in ("post", "put") else {}
    answer = await bench.client.request(method, filled, params=query, **body)
    return str(answer.json()["error"]["message"]).partition(", request/body")[0] if answer.status_code == 400 else None
