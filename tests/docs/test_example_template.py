"""docs/examples/new-library, as the guide has its readers run it: offered, run, its repository and component there."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from understage.app import create_service
from understage.config.settings import read_settings
from understage.config.sources import load_configuration
from understage.model.yaml import parse_document

ROOT = Path(__file__).parents[2]
FILES = ("app-config.yaml", "docs/examples/new-library/app-config.yaml")
SECONDS = 30


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service of the guide's command, asked without a socket by its guest."""
    own = {"backend": {"database": {"connection": ":memory:"}}, "understage": {"dataDirectory": str(tmp_path)}}
    configuration = load_configuration(FILES, parse=parse_document, environ={}, root=ROOT, overrides=own)
    service = await create_service(configuration, read_settings(configuration), root=ROOT, standalone=True)
    await service.start()
    try:
        await service.wait_until_ingested(SECONDS)
        transport = httpx.ASGITransport(service.web, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7007") as asked:
            answer = await asked.post("/api/auth/guest/refresh")
            asked.headers["authorization"] = f"Bearer {answer.json()['backstageIdentity']['token']}"
            yield asked
    finally:
        await service.stop()


async def run(client: httpx.AsyncClient, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a task that has ended."""
    asked = {"templateRef": "template:default/new-library", "values": values}
    created = await client.post("/api/scaffolder/v2/tasks", json=asked)
    assert created.status_code == 201, created.text
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = await client.get(f"/api/scaffolder/v2/tasks/{created.json()['id']}/events")
        events: list[dict[str, Any]] = answer.json()
        if events and events[-1]["type"] == "completion":
            return events
        await asyncio.sleep(0.1)
    raise AssertionError("the task did not end in time")


def files_of(repository: Path) -> list[str]:
    """What the branch main holds."""
    command = ["git", "-C", str(repository), "ls-tree", "-r", "--name-only", "main"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return listed.stdout.split()


async def test_the_example_template_makes_a_library(client: httpx.AsyncClient, tmp_path: Path) -> None:
    events = await run(client, {"name": "price-rules", "owner": "group:default/payments", "typed": False})

    end = events[-1]["body"]
    assert end["message"] == "Run completed with status: completed", events
    links = {link["title"]: link.get("url") or link.get("entityRef") for link in end["output"]["links"]}
    assert links == {
        "Repository": "http://localhost:7007/git/payments/price-rules",
        "Open in the catalog": "component:default/price-rules",
    }
    repository = tmp_path / "git/payments/price-rules.git"
    assert files_of(repository) == ["catalog-info.yaml", "pyproject.toml", "src/price_rules/__init__.py"]


async def test_the_form_of_the_example_is_that_of_the_guide(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/scaffolder/v2/templates/default/template/new-library/parameter-schema")
    (page,) = answer.json()["steps"]
    assert list(page["schema"]["properties"]) == ["name", "owner", "typed"]
