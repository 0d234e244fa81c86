"""The guide's way by Git alone: its shell commands, its example, and a real forge."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.bench import Gitea
from tests.docs.markdown import ROOT, Page

EXAMPLE = ROOT / "docs/examples/by-git"
COMMANDS = [block.text for block in Page(ROOT / "docs/guides/cli.md").blocks if block.language == "shell"]
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


class Requests:
    """A clone of the repository of requests."""

    def __init__(self, folder: Path, gitea: Gitea, helm: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder)
        (folder / "platform").mkdir()
        (folder / "platform" / "skeletons").symlink_to(ROOT / "skeletons")
        self.git("init", "-q", "-b", "main")
        self.git("add", ".", ":!requests")
        self.git(*AUTHOR, "commit", "-qm", "Begin")
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(helm.parent), os.environ["PATH"]]),
            "BASE": "HEAD~1",
            "FORGE_HOST": gitea.host,
            "FORGE_URL": gitea.url,
            "FORGE_USER": gitea.username,
            "FORGE_TOKEN": gitea.password,
        }

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git(*AUTHOR, "commit", "-qm", message)

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )


@pytest.fixture
def requests(tmp_path: Path, gitea: Gitea, helm_binary: Path) -> Requests:
    return Requests(tmp_path / "requests", gitea, helm_binary)


@pytest.mark.timeout(400)
def test_a_merged_file_becomes_a_service(requests: Requests, gitea: Gitea) -> None:
    for organization in ("payments", "platform"):
        gitea.create_organization(organization)
    check, run, policies = (command.strip() for command in COMMANDS)
    requests.commit("Ask for a service")
    checked = requests.run(check)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken rules" in checked.stdout
    assert gitea.request("GET", "/repos/payments/almanac").status_code == 404

    done = requests.run(run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert gitea.read("payments", "almanac", "go.mod")
    application = gitea.read("platform", "gitops", "infrastructure/teams/payments/applications/almanac-staging.yaml")
    assert application is not None
    assert "kind: Application" in application
    assert gitea.password not in checked.stdout + checked.stderr + done.stdout + done.stderr

    address = gitea.url.replace("://", f"://{gitea.username}:{gitea.password}@")
    requests.git("clone", "-q", f"{address}/platform/gitops.git", "gitops")
    held = requests.run(policies)
    assert held.returncode == 0, held.stdout + held.stderr
    assert "0 broken rules" in held.stdout


@pytest.mark.timeout(400)
def test_a_wrong_request_fails_before_the_merge(requests: Requests, gitea: Gitea) -> None:
    check, _, _ = (command.strip() for command in COMMANDS)
    (requests.folder / "requests/new-service/almanac.yaml").write_text(
        "{name: ../kube-system, owner: 'group:default/payments', language: go, environment: staging}"
    )
    requests.commit("Ask for what nobody gets")
    checked = requests.run(check)
    assert checked.returncode == 1
    assert "does not match pattern" in checked.stderr
