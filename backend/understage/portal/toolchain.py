"""Node and npm as `build` finds and runs them."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from understage.errors import UnderstageError

OLDEST_NODE: Final = 20
_LAST_LINES: Final = 20
_POLL_SECONDS: Final = 0.2

# They would change what is built, while the cache knows the bundle by its files alone: NODE_ENV=production leaves out the
# bundler, CI turns warnings into errors, and the bundler merges APP_CONFIG_* into the page.
_FOREIGN: Final = re.compile(
    r"APP_CONFIG_.*|BACKSTAGE_.*|CI|NODE_ENV|BUILD_INFO|npm_config_(omit|production|only)", re.I
)


class PortalBuildError(UnderstageError):
    """The portal page could not be built; the message says what to install or what failed. The API runs without it."""

    name = "PortalBuildError"


@dataclass(frozen=True)
class Toolchain:
    """The programs, and the version of Node without its `v`."""

    node: Path
    npm: Path
    version: str

    def run(self, command: Sequence[str], *, cwd: Path, doing: str, waiting: Callable[[float], None]) -> None:
        """Run to the end; PortalBuildError with its last lines if it fails.

        `waiting` is called with the seconds gone by, some times a second; when it raises, the program is ended.
        """
        log = cwd.parent / "output.log"
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=cwd, env=self._environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                while (code := _poll(process, _POLL_SECONDS)) is None:
                    waiting(time.monotonic() - started)
            except BaseException:
                _end(process)
                raise
        if code != 0:
            raise PortalBuildError(_failure(doing, code, log))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
        # npm starts `node` by name: it must be the one whose version was checked
        kept["PATH"] = os.pathsep.join((str(self.node.parent), kept.get("PATH", os.defpath)))
        return kept


def find_toolchain() -> Toolchain:
    """Find Node 20 or newer and npm on the PATH; raises PortalBuildError that says what to install."""
    node, npm = shutil.which("node"), shutil.which("npm")
    missing = [name for name, path in (("node", node), ("npm", npm)) if path is None]
    if node is None or npm is None:
        raise PortalBuildError(_advice(f"{' and '.join(missing)} cannot be found on the PATH"))
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)
    version = answer.stdout.strip().removeprefix("v")
    major = re.match(r"\d+", version)
    if major is None:
        raise PortalBuildError(_advice(f"{node} does not tell its version: {(answer.stderr or version).strip()!r}"))
    if int(major[0]) < OLDEST_NODE:
        raise PortalBuildError(_advice(f"{node} is version {version}"))
    return Toolchain(node=Path(node), npm=Path(npm), version=version)


def _advice(problem: str) -> str:
    return (
        f"Building the portal page needs Node.js {OLDEST_NODE} or newer with npm, and {problem}. Install it (packages "
        "`nodejs` and `npm` of most systems) and run `understage portal build`. The API runs without the page."
    )


def _poll(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End npm together with what it started: it leads a process group of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _failure(doing: str, code: int, log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    if not lines:
        return f"Building the portal page failed: {doing} {ended} and printed nothing; npm keeps logs in ~/.npm/_logs."
    shown = "\n".join(f"  {line}" for line in lines[-_LAST_LINES:])
    return f"Building the portal page failed: {doing} {ended}. Its last lines:\n{shown}"
