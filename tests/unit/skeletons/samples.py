"""Builds and starts what golden paths write, as a container would, and receives the traces that it sends."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WITHIN = 120.0
BUILT_WITHIN = 540.0

# What a pod of the chart has: nothing that can be written but /tmp, and no capabilities.
POD = """
mount --make-rprivate /
mount --bind . /mnt
mount -o remount,bind,ro /mnt
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /tmp
cd /mnt
exec setpriv --bounding-set=-all --inh-caps=-all "$@"
"""


def need(command: str, why: str) -> str:
    """The path of a command, or a skip that says what to install; a failure where nothing may be skipped."""
    found = shutil.which(command)
    if found is None:
        give_up = pytest.fail if os.environ.get("UNDERSTAGE_REQUIRE_ALL") else pytest.skip
        give_up(f"install {command} to {why}")
    return str(found)


def run_tool(*command: str, folder: Path, **environment: str) -> None:
    """Run a tool chain in a sample; it finds what it downloaded or compiled before in the caches of the user."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CI": "true", **environment},
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def as_in_a_pod(command: Sequence[str]) -> list[str]:
    """The command with the limits of a pod, in the folder that it is started in; as it is where others than root ask."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return list(command)
    return ["unshare", "--mount", "sh", "-euc", POD, "sh", *command]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def started(command: Sequence[str], folder: Path, **environment: str) -> Iterator[str]:
    """The address of a sample once it is healthy; it is stopped as Kubernetes does it, and must end well."""
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "PORT": str(free_port()), **environment}
    log = folder / "sample.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=known, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{known['PORT']}"
        _wait_until_healthy(url, process, log)
        yield url
        process.terminate()
        # 143: ended by the signal itself, after what runs at the end.
        assert process.wait(WITHIN) in (0, -15, 143), log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not healthy after {WITHIN:.0f} s: {log.read_text()}")


@contextmanager
def collecting() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """The endpoint of a collector by OTLP over HTTP, and what it received so far."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"".join(self._parts())
            is_traces = self.path == "/v1/traces"
            if is_traces:
                received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if is_traces else 404)
            self.end_headers()

        def _parts(self) -> Iterator[bytes]:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                yield self.rfile.read(int(self.headers["content-length"]))
                return
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def log_message(self, format: str, *args: object) -> None:
            """What it is asked is in `received`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{collector.server_port}", received
        finally:
            collector.shutdown()
            thread.join()


def spans_of(received: Sequence[ExportTraceServiceRequest]) -> list[tuple[dict[str, str], Span]]:
    """Each span, with the attributes of the service that sent it."""
    return [
        ({attribute.key: attribute.value.string_value for attribute in sent.resource.attributes}, span)
        for request in received
        for sent in request.resource_spans
        for scope in sent.scope_spans
        for span in scope.spans
    ]
