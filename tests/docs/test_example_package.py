"""docs/examples/acme-actions, as its readers use it: built, installed, tested, and found by the service."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs/examples/acme-actions"


def run(*command: str, folder: Path, path: Path | None = None) -> str:
    """Standard output; the test fails with everything the command printed unless it succeeds."""
    extra: Mapping[str, str] = {} if path is None else {"PYTHONPATH": str(path)}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the built wheel is installed into."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv is not None, "run the tests by `make test` or `uv run pytest`"
    project = tmp_path_factory.mktemp("acme") / "acme-actions"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    # The build backend is part of uv itself: nothing is fetched.
    run(uv, "build", "--wheel", "--offline", folder=project)
    (wheel,) = (project / "dist").glob("*.whl")
    site = project / "site"
    run(uv, "pip", "install", "--offline", "--no-deps", "--target", str(site), str(wheel), folder=project)
    return site


def test_its_own_tests_pass(installed: Path) -> None:
    project = installed.parent
    printed = run(sys.executable, "-m", "pytest", "-q", "tests", folder=project, path=installed)
    assert "5 passed" in printed


def test_the_service_finds_its_action_by_the_entry_point(installed: Path) -> None:
    command = "from understage.cli import main; main()"
    page = run(sys.executable, "-c", command, "docs", "actions", folder=installed.parent, path=installed)

    assert "## acme:create-ticket" in page
    assert "| `trackerUrl` | string | required |" in page
    assert "## fetch:template" in page
