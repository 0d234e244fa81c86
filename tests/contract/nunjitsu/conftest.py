"""The oracle: nunjitsu from npm, under Node, for the whole session.

Its packages are installed once into a folder outside of the work tree: $UNDERSTAGE_CACHE, or ~/.cache/understage.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest
from tests.contract.nunjitsu.cases import Case

HERE = Path(__file__).parent


class Oracle:
    """Asks one Node process; a call is a line of JSON there and one back."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout

    def ask(self, cases: Sequence[Case]) -> list[str]:
        """The tagged value, or `error: …`, of each case."""
        print(json.dumps([case.as_json() for case in cases]), file=self._input, flush=True)
        answers = json.loads(self._output.readline())
        assert len(answers) == len(cases)
        return answers


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        message = "install Node.js (20 or newer, with npm) to compare templates with nunjitsu"
        if os.environ.get("UNDERSTAGE_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    packages = install(npm)
    command = [node, str(HERE / "oracle.mjs"), str(packages)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield Oracle(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=10)


def install(npm: str) -> Path:
    """The folder with the packages of the lock file, made when it is not there yet."""
    cache = Path(os.environ.get("UNDERSTAGE_CACHE") or Path.home() / ".cache" / "understage")
    lock = HERE.joinpath("package-lock.json").read_bytes()
    target = cache / f"nunjitsu-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            folder = Path(scratch) / "packages"
            folder.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, folder / name)
            done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            try:
                folder.rename(target)
            except OSError:  # another worker of the test run was faster
                assert target.exists()
    return target
