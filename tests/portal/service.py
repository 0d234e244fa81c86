"""Runs `understage up` as a user does, in a process of its own, with its data in a folder of the test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 120


class Service:
    """`understage up` over the repository's own `app-config.yaml`, `catalog-info/` and `skeletons/`.

    `configs` are read after it; the database, repositories and keys lie in `folder`.
    """

    def __init__(self, folder: Path, *configs: Path) -> None:
        overlay = folder / "app-config.test.yaml"
        overlay.write_text(
            f"backend: {{database: {{connection: {{directory: {folder}}}}}}}\nunderstage: {{dataDirectory: {folder}}}\n"
        )
        files = [ROOT / "app-config.yaml", overlay, *configs]
        options = [text for file in files for text in ("--config", str(file))]
        self._port = _free_port()
        self._command = [
            sys.executable, "-c", "from understage.cli import main; main()", "up", *options, "--port", str(self._port)
        ]  # fmt: skip
        self._log = folder / "understage.log"
        self.url = f"http://localhost:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it, again on the same port, and wait until it answers."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            _wait_until_ready(self._process, self._log, self._port)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def run_understage(folder: Path, *configs: Path) -> Iterator[str]:
    """Yield the URL of a `Service`."""
    with running_service(folder, *configs) as service:
        yield service.url


@contextmanager
def running_service(folder: Path, *configs: Path) -> Iterator[Service]:
    """A `Service` until the block is left."""
    service = Service(folder, *configs)
    try:
        yield service
    finally:
        service.stop()


def guest_token(url: str) -> str:
    """What the page's guest signs in with."""
    answer = httpx.get(f"{url}/api/auth/guest/refresh", trust_env=False, timeout=30)
    return str(answer.json()["backstageIdentity"]["token"])


def start_task(url: str, template: str, values: Mapping[str, Any]) -> str:
    """Start a task of a template as a guest, without its form; returns its id."""
    order = {"templateRef": f"template:default/{template}", "values": values}
    headers = {"authorization": f"Bearer {guest_token(url)}"}
    answer = httpx.post(f"{url}/api/scaffolder/v2/tasks", json=order, headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@dataclass(frozen=True)
class EndedTask:
    """A task after its end: its row, and the messages and the last word of its events."""

    row: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def created_at(self) -> str:
        return str(self.row["createdAt"])

    @property
    def log(self) -> str:
        return "\n".join(str(event["body"].get("message", "")) for event in self.events)

    @property
    def error(self) -> str:
        """What went wrong, as the page shows it."""
        return str(self.events[-1]["body"]["error"]["message"])

    def link(self, title: str) -> str:
        """The address of a link of the output."""
        found = {link["title"]: link["url"] for link in self._output["links"]}
        return str(found[title])

    def text(self, title: str) -> str:
        """A text of the output."""
        found = {text["title"]: text["content"] for text in self._output["text"]}
        return str(found[title])

    @property
    def _output(self) -> dict[str, Any]:
        output: dict[str, Any] = self.events[-1]["body"]["output"]
        return output


def run_template(url: str, template: str, values: Mapping[str, Any], seconds: float = 180) -> EndedTask:
    """Start a task and wait for its end, whichever it is."""
    headers = {"authorization": f"Bearer {guest_token(url)}"}
    path = f"{url}/api/scaffolder/v2/tasks/{start_task(url, template, values)}"
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:
        deadline = time.monotonic() + seconds
        while (task := client.get(path).json())["status"] not in ("completed", "failed", "cancelled"):
            assert time.monotonic() < deadline, task
            time.sleep(0.2)
        return EndedTask(task, client.get(f"{path}/events").json())


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "Ready after" in log.read_text() and _answers(port):
            return
        time.sleep(0.1)
    raise AssertionError(f"understage up did not get ready within {START_SECONDS} s:\n{log.read_text()}")


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://localhost:{port}/.backstage/health/v1/readiness").status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
