"""One server process of the bench: its own group, its log in a file, ended by pid, never left behind.

The parts (`cluster`, `gitea`, `argocd`) call `running` for each server and leave the `with` block to end it.
"""

import atexit
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

STOP_SECONDS = 10.0
LOG_LINES = 25


class BenchError(RuntimeError):
    """A part of the bench did not come up or did not answer; the message carries the end of its log."""


@dataclass(frozen=True)
class Process:
    """A server that was started."""

    name: str
    log: Path
    handle: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        return self.handle.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` answers true; BenchError with the end of the log when it ends or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if (code := self.handle.poll()) is not None:
                raise BenchError(f"{self.name} ended with exit code {code} while it started\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} was not ready after {seconds:.0f} s\n{self.last_lines()}")
            time.sleep(0.1)

    def last_lines(self) -> str:
        """The end of the log, headed by its path."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"--- {self.log}", *lines])

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL after a limit; then whatever is left of its group."""
        self._signal(signal.SIGTERM)
        try:
            self.handle.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.handle.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        _guardian.forget(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: tuple[int, int] | None = None,
) -> Iterator[Process]:
    """Start `command` in `folder`, log to `folder/NAME.log`, end it on leaving.

    `environment` replaces the process's own, but for PATH and HOME (`folder`). `user` is (uid, gid) to run as.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        handle = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
        )
    _guardian.keep(handle.pid)
    process = Process(name, log, handle)
    try:
        yield process
    finally:
        process.stop()


Answer = TypeVar("Answer")


def wait_for(what: str, ask: Callable[[], Answer | None], seconds: float) -> Answer:
    """Ask until there is an answer; BenchError after `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not seen within {seconds:.0f} s")
        time.sleep(0.2)
    return answer


_taken: set[int] = set()
_taking = threading.Lock()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on and that was not handed out before.

    Chosen below the range that the system gives to outgoing connections, which could take it before its server starts.
    """
    with _taking:
        for _ in range(1000):
            port = random.randint(15000, 31000)
            if port in _taken:
                continue
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _taken.add(port)
                return port
    raise BenchError("no free port between 15000 and 31000 on 127.0.0.1")


class _Guardian:
    """Our side of `guardian.py`: one for this process, started with the first server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self, group: int) -> None:
        """End this group when we die."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """We ended this group; its id may be another's soon."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None:
                self._process = self._start()
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(started.communicate, timeout=STOP_SECONDS)  # closes the pipe: it sees our end and ends too
        return started


_guardian = _Guardian()
