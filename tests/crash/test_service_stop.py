"""Real processes of `understage up`: SIGTERM and kill -9 in the middle of a task, and the start after it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 60
VALUES = {"name": "basket", "owner": "group:default/platform", "language": "python", "environment": "development"}
SLOW = {
    "apiVersion": "scaffolder.backstage.io/v1beta3",
    "kind": "Template",
    "metadata": {"name": "slow"},
    "spec": {
        "type": "service",
        "steps": [
            {"id": "first", "name": "First", "action": "debug:log", "input": {"message": "only once"}},
            {"id": "wait", "name": "Wait", "action": "debug:wait", "input": {"seconds": 4}},
            {"id": "last", "name": "Last", "action": "debug:log", "input": {"message": "the end"}},
        ],
    },
}


class Running:
    """A process and a guest who is signed in."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.process = process
        self.url = url
        token = httpx.get(f"{url}/api/auth/guest/refresh").json()["backstageIdentity"]["token"]
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def create(self, template: str, values: dict[str, Any]) -> str:
        body = {"templateRef": f"template:default/{template}", "values": values}
        deadline = time.monotonic() + 30
        while (answer := self.client.post("/api/scaffolder/v2/tasks", json=body)).status_code == 404:
            assert time.monotonic() < deadline, answer.text  # not ingested yet
            time.sleep(0.1)
        assert answer.status_code == 201, answer.text
        task_id: str = answer.json()["id"]
        return task_id

    def messages(self, task_id: str) -> list[str]:
        events = self.client.get(f"/api/scaffolder/v2/tasks/{task_id}/events").json()
        return [str(event["body"].get("message")) for event in events]

    def wait_for(self, task_id: str, message: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while message not in self.messages(task_id):
            assert time.monotonic() < deadline, self.messages(task_id)
            time.sleep(0.02)

    def wait_until_served(self, name: str, seconds: float = 30) -> None:
        """The catalog reads what was registered after it has answered."""
        deadline = time.monotonic() + seconds
        while self.client.get(f"/api/catalog/entities/by-name/{name}").status_code != 200:
            assert time.monotonic() < deadline, f"{name} is not in the catalog"
            time.sleep(0.05)

    def wait_until_ended(self, task_id: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while (status := self.client.get(f"/api/scaffolder/v2/tasks/{task_id}").json()["status"]) in (
            "open",
            "processing",
        ):
            assert time.monotonic() < deadline, self.messages(task_id)
            time.sleep(0.1)
        return str(status)


@pytest.fixture
def port() -> int:
    """The same for all starts: addresses of the local forge have it in them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(folder: Path, port: int) -> Iterator[Running]:
    """`understage up` with its data in `folder`; at the end it is killed, if it still runs."""
    (folder / "slow.yaml").write_text(yaml.safe_dump(SLOW))
    overlay = {
        "backend": {"database": {"connection": {"directory": str(folder)}}},
        "understage": {"dataDirectory": str(folder), "tasks": {"lease": {"seconds": 2}, "heartbeat": {"seconds": 0.5}}},
        "catalog": {
            "locations": [
                {"type": "file", "target": str(ROOT / "catalog-info" / "all.yaml")},
                {"type": "file", "target": str(ROOT / "skeletons" / "new-service" / "template.yaml")},
                {"type": "file", "target": str(folder / "slow.yaml")},
            ]
        },
    }
    (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    options = ["--config", "app-config.yaml", "--config", str(folder / "overlay.yaml"), "--port", str(port)]
    program = [sys.executable, "-c", "from understage.cli import main; main()", "up", *options]
    # A page of its own, which is never built: these tests look at tasks.
    environment = {**os.environ, "UNDERSTAGE_CACHE": str(folder / "cache"), "PATH": _path_without_node(folder)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log, env=environment)
        try:
            running = Running(process, _ready(process, port, folder))
            with running.client:
                yield running
        finally:
            process.kill()
            process.wait()


def _path_without_node(folder: Path) -> str:
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("git", "helm"):
        for place in os.environ["PATH"].split(os.pathsep):
            if (Path(place) / name).exists() and not (tools / name).exists():
                (tools / name).symlink_to(Path(place) / name)
    return str(tools)


def _ready(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> str:
    url = f"http://localhost:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/.backstage/health/v1/readiness").status_code == 200:
                return url
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def commits(repository: Path, *wanted: str) -> int:
    command = ["git", "-C", str(repository), "rev-list", "--count", "--all", *wanted]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_stop_hands_the_task_over_to_the_next_start(tmp_path: Path, port: int) -> None:
    heard: list[str] = []
    ended = Event()
    with started(tmp_path, port) as first:
        task_id = first.create("slow", {})
        first.wait_for(task_id, "Beginning step Wait")

        def follow() -> None:
            with first.client.stream("GET", f"/api/scaffolder/v2/tasks/{task_id}/eventstream") as stream:
                for part in stream.iter_text():
                    heard.append(part)
            ended.set()

        reader = Thread(target=follow)
        reader.start()
        wait_until(lambda: "Beginning step Wait" in "".join(heard), "the stream to say where the task is")
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(STOP_SECONDS) == 0
        reader.join(STOP_SECONDS)
        # By its last chunk: one that the server cuts off fails its reader.
        assert ended.is_set()
    with started(tmp_path, port) as second:
        assert second.wait_until_ended(task_id) == "completed"
        said = second.messages(task_id)
    assert said.count("Beginning step First") == 1
    assert "Finished step Last" in said


@pytest.mark.parametrize("step", ["Publish the repository", "Commit to the GitOps repository"])
def test_a_killed_process_ends_the_new_service_after_its_next_start(tmp_path: Path, port: int, step: str) -> None:
    with started(tmp_path, port) as first:
        task_id = first.create("new-service", VALUES)
        first.wait_for(task_id, f"Beginning step {step}")
        first.process.kill()
        first.process.wait()
    with started(tmp_path, port) as second:
        assert second.wait_until_ended(task_id) == "completed", second.messages(task_id)
        said = second.messages(task_id)
        second.wait_until_served("component/default/basket")
    assert said.count("Beginning step Check that the name is free") == 1
    repositories = {path.name: path for path in (tmp_path / "git").rglob("*.git")}
    assert commits(repositories["basket.git"]) == 1
    assert commits(repositories["gitops.git"], "--grep=Add service basket") == 1
