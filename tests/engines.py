"""The engines of tasks that tests run on: `task_engine`, once the database's, once Temporal's with a real server.

One Temporal server a session, on free ports and a file of its own; each test has a task queue of its own.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from tests.cluster.tools import MissingToolError, binary
from tests.databases import require

from understage.config.platform_settings import TemporalSettings
from understage.scaffolder.tasks.database_engine import DatabaseEngine
from understage.scaffolder.tasks.engine import EngineFactory

START_SECONDS = 60


@dataclass(frozen=True)
class EngineChoice:
    """An engine for processes of a test, too: `address` and `queue` are empty for the database's."""

    address: str = ""
    queue: str = ""

    def factory(self) -> EngineFactory:
        if not self.address:
            return DatabaseEngine
        from understage.scaffolder.tasks.temporal_engine import TemporalEngine

        return partial(TemporalEngine, temporal=TemporalSettings(address=self.address, task_queue=self.queue))


class Chosen:
    """The engine of services that are made now. Not a context variable: the tests' event loop has a context of its own."""

    choice = EngineChoice()


class TemporalServer:
    """A development server of Temporal; ends with `stop`."""

    def __init__(self, program: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="understage-temporal-"))
        for last in (False, False, True):
            try:
                return self._start_anew(program)
            except RuntimeError as error:
                # Somebody else took one of the ports before it did.
                if last or "address already in use" not in str(error):
                    raise

    def _start_anew(self, program: Path) -> None:
        self.port, other, metrics = _free_port(), _free_port(), _free_port()
        self._command = [
            str(program), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port),
            "--http-port", str(other), "--metrics-port", str(metrics), "--db-filename", str(self.folder / "temporal.db"),
            "--log-level", "warn",
        ]  # fmt: skip
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)}
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                asyncio.run(_ask(self.address))
            except (RuntimeError, RPCError):
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("Temporal did not start: " + (self.folder / "log").read_text(errors="replace"))

    def end(self) -> None:
        """Stop it; what it knows is kept for `start`."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


async def _ask(address: str) -> None:
    """Its port is open before it can do anything."""
    client = await Client.connect(address)
    async for _ in client.list_workflows(limit=1):
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def temporal_server() -> Iterator[TemporalServer]:
    """The session's Temporal server."""
    try:
        program = binary("temporal")
    except MissingToolError as error:
        require(False, str(error))
        raise
    server = TemporalServer(program)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["engine-database", pytest.param("engine-temporal", marks=pytest.mark.cluster)])
def task_engine(request: pytest.FixtureRequest) -> Iterator[EngineChoice]:
    """The engine of the services that the test makes: once the database's, once Temporal's."""
    choice = EngineChoice()
    if request.param == "engine-temporal":
        server: TemporalServer = request.getfixturevalue("temporal_server")
        choice = EngineChoice(server.address, f"test-{uuid.uuid4().hex}")
    Chosen.choice = choice
    yield choice
    Chosen.choice = EngineChoice()
