"""What a started service has in memory: no library that it has not used, and names of those who import one after all."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.cluster.bench.process import free_port

from understage.cli.entry import Serving, read_serving

ROOT = Path(__file__).parents[2]
SECONDS = 200.0  # of a machine that does much else
# Command line, colours, the object-relational mapper, migrations, and clients of what most installations have not.
UNWANTED = (
    "typer",
    "click",
    "rich",
    "pygments",
    "attr",
    "sqlmodel",
    "sqlalchemy.orm",
    "alembic",
    "cookiecutter",
    "jinja2",
    "kubernetes",
    "aiohttp",
    "regex",
    "requests",
    "opentelemetry.exporter.otlp",
    "uvicorn.main",
    "httpx._main",
    "pydantic.v1",
)


def test_a_started_service_has_imported_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    port, found = free_port(), tmp_path / "found.json"
    place = tmp_path / "place.yaml"
    place.write_text(
        json.dumps(
            {
                "backend": {"database": {"connection": {"directory": str(tmp_path)}}},
                "understage": {"dataDirectory": str(tmp_path)},
            }
        )
    )
    options = ["--config", "app-config.yaml", "--config", str(place), "--port", str(port)]
    command = [sys.executable, "-m", "tests.unit.light_start", str(found), ",".join(UNWANTED), "serve", *options]
    with (tmp_path / "log").open("w+") as log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(port, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0, Path(log.name).read_text()
        finally:
            process.kill()
    importers = json.loads(found.read_text())
    assert importers == {}, "\n".join(
        f"{name} is imported at the start, by {' <- '.join(chain)}: import it in the function that needs it"
        for name, chain in importers.items()
    )


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/.backstage/health/v1/readiness", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError(f"it was not ready within {SECONDS:g} seconds, or ended: {process.poll()}")


@pytest.mark.parametrize(
    ("arguments", "serving"),
    [
        (["serve"], Serving("serve", [], None)),
        (
            ["up", "--config", "a.yaml", "--port=8080", "--config=b.yaml"],
            Serving("up", [Path("a.yaml"), Path("b.yaml")], 8080),
        ),
    ],
)
def test_plain_options_are_read_without_the_library_of_commands(arguments: list[str], serving: Serving) -> None:
    assert read_serving(arguments) == serving


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["migrate"],
        ["serve", "--help"],
        ["serve", "--port"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "-1"],
        ["serve", "--port", "http"],
        ["serve", "--config="],
        ["serve", "--config", "--port"],
        ["serve", "--unknown", "x"],
        ["up", "app-config.yaml"],
    ],
)
def test_what_is_not_plain_is_left_to_the_library_of_commands(arguments: list[str]) -> None:
    assert read_serving(arguments) is None


def test_a_package_that_is_lightened_still_has_all_of_its_names() -> None:
    """Whatever an extension takes from it."""
    program = """
from understage.platform.light_imports import lighten
lighten()
import uvicorn, sqlalchemy.ext.asyncio, httpx, structlog
assert uvicorn.__version__
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, engine
from uvicorn import main, run, Config
assert engine.AsyncConnection is AsyncConnection is sqlalchemy.ext.asyncio.AsyncConnection
assert callable(main) and callable(run) and uvicorn.Config is Config
assert uvicorn.Server.__name__ == "Server"
assert not hasattr(uvicorn, "no_such_name")
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel
assert "defer_build" not in BaseModel.model_config
document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": {"tags": ["a"]}}}}
assert OpenAPI.model_validate(document).model_dump(exclude_none=True) == document
import rich
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
