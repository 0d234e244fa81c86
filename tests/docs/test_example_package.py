"""docs/examples/acme-*, as their readers use them: built, installed, tested, and found by the service."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def run(*command: str, folder: Path, path: Path | None = None) -> str:
    """Standard output; the test fails with everything the command printed unless it succeeds."""
    extra: Mapping[str, str] = {} if path is None else {"PYTHONPATH": str(path)}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(name: str, folder: Path) -> Path:
    """Build an example; the folder that its wheel is installed into."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv is not None, "run the tests by `make test` or `uv run pytest`"
    project = folder / name
    shutil.copytree(EXAMPLES / name, project, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    # The build backend is part of uv itself: nothing is fetched.
    run(uv, "build", "--wheel", "--offline", folder=project)
    (wheel,) = (project / "dist").glob("*.whl")
    site = project / "site"
    run(uv, "pip", "install", "--offline", "--no-deps", "--target", str(site), str(wheel), folder=project)
    return site


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The actions."""
    return install("acme-actions", tmp_path_factory.mktemp("acme"))


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


def test_the_providers_pass_their_tests_and_are_found_where_they_are_configured(tmp_path: Path) -> None:
    site = install("acme-providers", tmp_path)
    assert "3 passed" in run(sys.executable, "-m", "pytest", "-q", "tests", folder=site.parent, path=site)
    program = """
from understage.catalog.providers.registry import installed_providers
from understage.sdk import ProviderSetup
from understage.sdk.testing import FakeHttp, FakeReader, FakeScheduler

for providers in ({}, {"acmePeople": {"url": "u"}, "acmeAssets": {"url": "u"}}):
    setup = ProviderSetup(FakeReader(), FakeHttp(), FakeScheduler(), {"catalog": {"providers": providers}})
    print(sorted(provider.name for provider in installed_providers(setup) if provider.name.startswith("acme")))
"""
    printed = run(sys.executable, "-c", program, folder=site.parent, path=site)
    assert printed.splitlines() == ["[]", "['acme-assets', 'acme-people']"]
