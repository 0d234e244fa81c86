"""`make mutants`: does each fault of `mutants` make a fast test fail? What survives is a test that is missing.

The tests run one after the other against a copy of the backend, the fastest first. The stock backend is not needed:
its answers were recorded. Prints a table, a row a mutant, and ends with 1 when one survived. It takes hours: what was broken
off goes on with the number of the mutant that is to be next.

    python -m tests.contract.mutation [--from 30] [--to 40] [words of a rule…]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.contract.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
NEAR = {
    "catalog/query/": ("tests/unit/catalog/query",),
    "platform/": ("tests/unit/platform/test_requests.py", "tests/unit/platform/test_plugin.py"),
}
"""Tests that take seconds and are about one folder only; they are asked first about its files."""
STAGES = (
    ("tests/store/test_catalog_api.py", "tests/store/test_registered_locations.py", "-k", "not postgresql"),
    ("tests/contract/test_recorded.py",),
)
NICENESS = 10
ROW = "{:>3}  {:8}  {:>7}  {:45}  {}"
PATIENCE = 900.0


def main(arguments: list[str]) -> int:
    """The exit code."""
    chosen = _chosen(arguments)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="understage-mutants-") as folder:
        backend = Path(folder) / "backend"
        shutil.copytree(ROOT / "backend", backend, ignore=shutil.ignore_patterns("__pycache__"))
        if (failed := _first_failure(backend, (*NEAR.values(), *STAGES))) is not None:
            print(f"without a mutant the tests fail already:\n{failed}")
            return 2
        print(ROW.format("no.", "verdict", "seconds", "rule that is broken", "first test that fails"))
        for number, mutant in chosen:
            began = time.monotonic()
            noticed = _try(backend, mutant)
            verdict = "survived" if noticed is None else "killed"
            seconds = f"{time.monotonic() - began:.0f}"
            print(ROW.format(number, verdict, seconds, mutant.rule, noticed or "").rstrip(), flush=True)
            if noticed is None:
                survivors.append(number)
    print(f"{len(chosen)} of {len(MUTANTS)} mutants: {len(chosen) - len(survivors)} killed, {len(survivors)} survived")
    return 1 if survivors else 0


def _chosen(arguments: list[str]) -> list[tuple[int, Mutant]]:
    parser = argparse.ArgumentParser(prog="python -m tests.contract.mutation")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the number of the first mutant")
    parser.add_argument("--to", dest="last", type=int, default=len(MUTANTS), help="the number of the last one")
    parser.add_argument("words", nargs="*", help="words that a rule must hold")
    options = parser.parse_args(arguments)
    numbered = list(enumerate(MUTANTS, 1))[options.first - 1 : options.last]
    return [(number, mutant) for number, mutant in numbered if all(word in mutant.rule for word in options.words)]


def _try(backend: Path, mutant: Mutant) -> str | None:
    file = backend / "understage" / mutant.file
    original = file.read_text()
    assert original.count(mutant.old) == 1, f"{mutant.file} has {mutant.old!r} {original.count(mutant.old)} times"
    file.write_text(original.replace(mutant.old, mutant.new))
    compile(file.read_text(), str(file), "exec")
    try:
        near = [tests for folder, tests in NEAR.items() if mutant.file.startswith(folder)]
        return _first_failure(backend, (*near, *STAGES))
    finally:
        file.write_text(original)


def _first_failure(backend: Path, stages: Sequence[Sequence[str]]) -> str | None:
    """The first test that fails with this backend; None when none does."""
    # Ahead of the installed package, here and in the servers that tests start. No byte code: a change may be a second old.
    environment = {**os.environ, "PYTHONPATH": str(backend), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    for stage in stages:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *stage]
        result = subprocess.run(
            ["nice", "-n", str(NICENESS), *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if result.returncode != 0:
            lines = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return (lines or [result.stdout[-300:] + result.stderr[-300:]])[0][:200]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
