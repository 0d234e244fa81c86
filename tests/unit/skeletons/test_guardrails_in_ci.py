"""The workflow that asks the guardrails of every repository of a golden path: its commands, run as CI runs them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS, publish

from understage.integrations.helm import HelmBinary
from understage.sdk.yaml import dump, parse_document, parse_documents

PATHS: dict[str, dict[str, Any]] = {
    "service": {"language": "go"},
    "website": {},
    "worker": {"language": "python", "queue": "mail"},
    "job": {"schedule": "15 3 * * *"},
}
DEBUG = {
    "name": "debug",
    "image": "registry.example.com/payments/debug:1.0.0",
    "securityContext": {"privileged": True},
}


def run_workflow(repository: Path, helm: Path) -> "subprocess.CompletedProcess[str]":
    """The last step of the workflow, after those that fetch the platform's rules and install the tools."""
    workflow = parse_document((repository / ".github/workflows/guardrails.yaml").read_bytes()).value
    (job,) = workflow["jobs"].values()
    *before, step = job["steps"]
    assert [each.get("uses", each.get("run")) for each in before] == [
        "actions/checkout@v4",
        "actions/checkout@v4",
        "azure/setup-helm@v4",
        "pip install understage",
    ]
    assert before[1]["with"] == {"repository": "${{ vars.PLATFORM_REPOSITORY }}", "path": "platform"}
    return subprocess.run(
        # As GitHub's runners call it.
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=repository,
        env={
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(helm.parent), os.environ["PATH"]]),
            "HOME": str(repository),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("kind", PATHS)
async def test_a_pull_request_fails_in_the_words_of_the_cluster(kind: str, helm_binary: Path, tmp_path: Path) -> None:
    form = {"name": "till", "owner": "group:default/payments", "environment": "staging", **PATHS[kind]}
    repository = await publish(tmp_path, helm_binary, form, template=f"new-{kind}", folder=kind)
    (repository / "platform").mkdir()
    (repository / "platform/skeletons").symlink_to(SKELETONS)
    environments = repository / "deploy/environments"
    staging = (environments / "staging.yaml").read_text()
    (environments / "production.yaml").write_text(staging.replace("staging", "production"))
    good = run_workflow(repository, helm_binary)
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.count(" 0 broken rules") == 2

    file = environments / "production.yaml"
    values = parse_document(file.read_bytes()).value
    values["base-service"]["extraContainers"] = [DEBUG]
    file.write_text(dump(values))
    bad = run_workflow(repository, helm_binary)
    assert bad.returncode == 1
    rendered = await HelmBinary(str(helm_binary)).template(
        repository / "deploy", release="till-production", namespace="till-production", values=[file]
    )
    violations = GUARDRAILS.check([document.value for document in parse_documents(rendered) if document.value])
    assert {violation.rule for violation in violations} >= {"resources", "privileges"}
    assert all(violation.message in bad.stdout for violation in violations)
