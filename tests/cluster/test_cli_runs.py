"""Templates and actions from the command line, without a server: real forge, cluster, Argo CD, git and Helm."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Platform

from understage.scaffolder.authoring.case import read_case_file
from understage.sdk.yaml import dump

ROOT = Path(__file__).parents[2]
SKELETONS = ROOT / "skeletons"
TEMPLATES = sorted(SKELETONS.glob("*/template.yaml"))
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def understage(platform: Platform, tmp_path: Path) -> Run:
    """The installed command, in a folder whose app-config.yaml names the parts of the bench."""
    config = platform.app_config()
    config["backend"] = {"baseUrl": "http://localhost:7007"}
    config["understage"] |= {"policies": {"rules": str(SKELETONS / "policies" / "rules.yaml")}}
    (tmp_path / "app-config.yaml").write_text(dump(config))
    command = Path(sys.executable).with_name("understage")

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [command, *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


def output(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["status"] == "completed"
    return told


@pytest.mark.timeout(300)
def test_a_service_is_made_by_one_command(platform: Platform, understage: Run, tmp_path: Path) -> None:
    platform.gitea.create_organization("terminal")
    (tmp_path / "values.yaml").write_text(
        dump({"name": "calendar", "owner": "group:default/terminal", "language": "go", "environment": "staging"})
    )
    template = str(SKELETONS / "new-service" / "template.yaml")
    command = ["template", "run", template, "--root", str(SKELETONS), "--values", "values.yaml"]
    dry = understage(*command, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert platform.gitea.request("GET", "/repos/terminal/calendar").status_code == 404
    assert platform.cluster.get("/api/v1/namespaces/calendar-staging") is None

    done = understage(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines.index("[publish] Beginning step Publish the repository") < lines.index(
        "[namespace] Beginning step Create the namespace"
    )
    assert platform.gitea.read("terminal", "calendar", "go.mod")
    namespace = platform.cluster.get("/api/v1/namespaces/calendar-staging")
    assert namespace is not None
    assert namespace["metadata"]["labels"]["team"] == "terminal"
    application = platform.argocd.application("calendar-staging")
    assert application is not None
    assert application["status"]["sync"]["status"] == "Synced"

    again = understage(*command)
    assert again.returncode == 1
    assert "Repository terminal/calendar" in again.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("template", TEMPLATES, ids=[file.parent.name for file in TEMPLATES])
def test_every_template_runs_dry_against_the_real_parts(
    template: Path, platform: Platform, understage: Run, tmp_path: Path
) -> None:
    """Those that begin with something that exists say what is missing: here is an empty catalog, and a GitOps repository."""
    if platform.gitea.request("GET", "/orgs/platform").status_code == 404:
        platform.gitea.create_organization("platform")
    if platform.gitea.request("GET", "/repos/platform/gitops").status_code == 404:
        platform.gitea.create_repository("platform", "gitops")
        platform.gitea.commit("platform", "gitops", {"README.md": "What runs where\n"}, "Begin")
    (suite,) = sorted(template.parent.glob("*.test.yaml"))
    told = read_case_file(suite)
    case = next((case for case in told.cases if case.expect.error is None), told.cases[0])
    (tmp_path / "values.yaml").write_text(dump(case.values))
    done = understage(
        "template", "run", str(template), "--root", str(SKELETONS), "--values", "values.yaml", "--dry-run", "--json"
    )
    if case.expect.error is None and not (case.world or told.world).entities:
        assert output(done)["dryRun"] is True
        return
    assert done.returncode == 1
    message = json.loads(done.stdout)["error"]["message"]
    assert re.search("catalog has no|Entity .* not found|There is no|No matching integration", message), message


@pytest.mark.timeout(300)
def test_an_action_runs_by_itself(platform: Platform, understage: Run, tmp_path: Path) -> None:
    (tmp_path / "namespace.yaml").write_text("{namespace: by-hand, team: terminal, environment: staging}")
    command = ["action", "run", "kubernetes:create-namespace", "--input", "namespace.yaml", "--json"]
    planned = output(understage(*command, "--dry-run"))
    assert platform.cluster.get("/api/v1/namespaces/by-hand") is None
    made = output(understage(*command))
    assert (planned["output"]["namespace"], made["output"]["applied"]) == ("by-hand", True)
    assert platform.cluster.get("/api/v1/namespaces/by-hand") is not None
    refused = understage(*command, "--set", "team=others")
    assert refused.returncode == 1
    assert "belongs to team terminal" in refused.stderr


@pytest.mark.timeout(300)
def test_files_of_a_folder_become_a_commit_and_its_secrets_are_not_told(
    platform: Platform, understage: Run, tmp_path: Path
) -> None:
    platform.gitea.create_organization("by-hand")
    (tmp_path / "here" / "gitops").mkdir(parents=True)
    (tmp_path / "here" / "gitops" / "note.yaml").write_text("kind: Note\n")
    secret = "t0ken-of-somebody"
    done = understage(
        "action", "run", "gitops:commit", "--workspace", "here", "--json", "--secret", "token=FORGE_TOKEN",
        "--set", "sourcePath=gitops", "--set", "repository={owner: by-hand, name: gitops}",
        "--set", "message=Say it with ${{ secrets.token }}", FORGE_TOKEN=secret,
    )  # fmt: skip
    commit = output(done)["output"]["commitHash"]
    assert platform.gitea.read("by-hand", "gitops", "note.yaml") == "kind: Note\n"
    assert commit
    assert secret not in done.stdout + done.stderr
    missing = understage("action", "run", "debug:log", "--secret", "token=NO_SUCH_VARIABLE")
    assert missing.returncode == 2
    assert "no environment variable" in missing.stderr
