"""A running service removes what has ended from its GitOps repository by itself, and nothing else."""

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.actions.test_environment_expire import GOES, STAYS

from understage.app import create_service
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.sdk import GitAuthor

SECONDS = 30


def files_of(repository: Path) -> set[str]:
    command = ["git", "-C", str(repository), "ls-tree", "-r", "--name-only", "main"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


async def publish(folder: Path, files: dict[str, str]) -> Path:
    """The GitOps repository of the local git server; its bare repository."""
    repositories = LocalRepositories(folder / "git", "http://localhost:7007")
    made = await LocalForge(repositories).create_repository("platform", "gitops")
    content = folder / "content"
    for name, text in files.items():
        (content / name).parent.mkdir(parents=True, exist_ok=True)
        (content / name).write_text(text)
    git = GitRemotes(folder / "git-state", locate=repositories.locate)
    author = GitAuthor("Ada", "ada@example.com")
    await git.publish(content, made.clone_url, branch="main", message="Begin", author=author)
    bare = repositories.locate(made.clone_url)
    assert bare is not None
    return bare


@pytest.mark.parametrize("environments", [{"expireEvery": "1s"}, {}], ids=["on", "off"])
async def test_the_service_removes_what_has_ended_by_itself(environments: dict[str, Any], tmp_path: Path) -> None:
    bare = await publish(tmp_path, {**STAYS, **GOES})
    config = {
        "backend": {
            "baseUrl": "http://localhost:7007",
            "database": {"client": "better-sqlite3", "connection": ":memory:"},
        },
        "understage": {"dataDirectory": str(tmp_path), "environments": environments},
    }
    configuration = Configuration(config)
    service = await create_service(configuration, read_settings(configuration), root=tmp_path, standalone=True)
    await service.start()
    try:
        deadline = time.monotonic() + (SECONDS if environments else 3)
        while time.monotonic() < deadline and files_of(bare) != set(STAYS):
            await asyncio.sleep(0.2)
    finally:
        await service.stop()
    # Off by default: without a configured GitOps repository nobody said that it may be written to.
    assert files_of(bare) == (set(STAYS) if environments else {*STAYS, *GOES})
