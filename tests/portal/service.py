"""Runs `understage up` as a user does, in a process of its own, with its data in a folder of the test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 120


@contextmanager
def run_understage(folder: Path, *configs: Path) -> Iterator[str]:
    """Yield the URL of a service over the repository's own `app-config.yaml`, `catalog-info/` and `skeletons/`.

    `configs` are read after it; the database, repositories and keys lie in `folder`.
    """
    overlay = folder / "app-config.test.yaml"
    overlay.write_text(
        f"backend: {{database: {{connection: {{directory: {folder}}}}}}}\nunderstage: {{dataDirectory: {folder}}}\n"
    )
    port = _free_port()
    files = [ROOT / "app-config.yaml", overlay, *configs]
    options = [text for file in files for text in ("--config", str(file))]
    log = folder / "understage.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from understage.cli import main; main()", "up", *options, "--port", str(port)],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            _wait_until_ready(process, log, port)
            yield f"http://localhost:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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
