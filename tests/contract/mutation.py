"""`make mutants`: does each fault of `mutants` make a fast test fail? What survives is a test that is missing.

The tests run one after the other against a copy of the backend, the fastest first. The stock backend is not needed:
its answers were recorded. Prints a line a mutant, and ends with 1 when one survived.

    python -m tests.contract.mutation [words of a rule…]
"""

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
FORMS = ("tests/unit/catalog/query",)
"""About `catalog.query` only, where they are asked first: they take seconds."""
STAGES = (
    ("tests/store/test_catalog_api.py", "tests/store/test_registered_locations.py", "-k", "not postgresql"),
    ("tests/contract/test_recorded.py",),
)
NICENESS = 10
PATIENCE = 900.0


def main(words: list[str]) -> int:
    """The exit code."""
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.rule for word in words)]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="understage-mutants-") as folder:
        backend = Path(folder) / "backend"
        shutil.copytree(ROOT / "backend", backend, ignore=shutil.ignore_patterns("__pycache__"))
        if (failed := _first_failure(backend)) is not None:
            print(f"without a mutant the tests fail already:\n{failed}")
            return 2
        for mutant in chosen:
            began = time.monotonic()
            noticed = _try(backend, mutant)
            verdict = "survived" if noticed is None else "killed"
            print(f"{verdict:8} {time.monotonic() - began:5.0f} s  {mutant.rule}  {noticed or ''}", flush=True)
            if noticed is None:
                survivors.append(mutant.rule)
    print(f"{len(chosen)} mutants: {len(chosen) - len(survivors)} killed, {len(survivors)} survived")
    return 1 if survivors else 0


def _try(backend: Path, mutant: Mutant) -> str | None:
    file = backend / "understage" / mutant.file
    original = file.read_text()
    assert original.count(mutant.old) == 1, f"{mutant.file} has {mutant.old!r} {original.count(mutant.old)} times"
    file.write_text(original.replace(mutant.old, mutant.new))
    compile(file.read_text(), str(file), "exec")
    try:
        return _first_failure(backend, (FORMS, *STAGES) if mutant.file.startswith("catalog/query/") else STAGES)
    finally:
        file.write_text(original)


def _first_failure(backend: Path, stages: Sequence[Sequence[str]] = (FORMS, *STAGES)) -> str | None:
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
