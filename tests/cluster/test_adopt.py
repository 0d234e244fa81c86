"""A service that runs is adopted on the bench: pull requests in Gitea, merges, Argo CD takes its Deployment over.

First as it is, when its pods go on running; then by values, when they are replaced once, as the report says.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for

from understage.sdk.yaml import dump, parse_documents

SKELETONS = Path(__file__).parents[2] / "skeletons"
NAMESPACE = "sawmill-live"
Understage = Callable[..., "subprocess.CompletedProcess[str]"]
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sawmill
spec:
  replicas: 2
  selector:
    matchLabels: {app: sawmill}
  template:
    metadata:
      labels: {app: sawmill, tier: backend}
    spec:
      containers:
        - name: main
          image: registry.example.com/forestry/sawmill:1.0.0
          args: [--cut]
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata:
  name: sawmill
spec:
  selector: {app: sawmill}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Secret
metadata:
  name: sawmill
stringData: {saw: very-sharp}
"""


@pytest.fixture
def understage(platform: Platform, helm_binary: Path, tmp_path: Path) -> Understage:
    """The installed command, with the bench as its configuration."""
    config = platform.app_config()
    config["backend"] = {"baseUrl": "http://localhost:7007"}
    host = platform.gitea.host
    config["understage"] |= {
        "policies": {"rules": str(SKELETONS / "policies" / "rules.yaml")},
        "gitops": {"repoUrl": f"{host}?owner=forestry&repo=gitops"},
        "forge": host,
    }
    config["understage"]["helm"] = {**config["understage"].get("helm", {}), "charts": str(SKELETONS / "charts")}
    (tmp_path / "app-config.yaml").write_text(dump(config))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("understage")), *arguments],
            cwd=tmp_path,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


def merge(platform: Platform, repository: str, into: str = "main") -> str:
    """Merge the only open pull request; its text."""
    (opened,) = platform.gitea.request("GET", f"/repos/forestry/{repository}/pulls?state=open").json()
    platform.gitea.merge("forestry", repository, opened["number"])
    return str(opened["body"])


def uids(platform: Platform) -> set[str]:
    return {pod["metadata"]["uid"] for pod in platform.cluster.pods(NAMESPACE)}


def deployment(platform: Platform) -> dict[str, Any]:
    found = platform.cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/sawmill")
    assert found is not None
    return found


def run_it(platform: Platform) -> set[str]:
    """Start the service as its team did, by plain manifests; the uids of its pods."""
    cluster = platform.cluster
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"team": "forestry"}}}
    )
    for document in parse_documents(MANIFESTS):
        cluster.apply({**document.value, "metadata": {**document.value["metadata"], "namespace": NAMESPACE}})
    wait_for("two pods", lambda: len(cluster.pods(NAMESPACE)) == 2 or None, 60)
    return uids(platform)


@pytest.mark.timeout(500)
def test_argocd_takes_a_running_service_over(platform: Platform, understage: Understage, tmp_path: Path) -> None:
    gitea = platform.gitea
    gitea.create_organization("forestry")
    for repository in ("sawmill", "gitops"):
        gitea.create_repository("forestry", repository)
    gitea.commit("forestry", "sawmill", {"k8s/all.yaml": MANIFESTS}, "Run it")
    gitea.commit("forestry", "gitops", {"README.md": "# What runs where\n"}, "Begin")
    before, uid = run_it(platform), deployment(platform)["metadata"]["uid"]

    form = {
        "repoUrl": f"{gitea.host}?owner=forestry&repo=sawmill",
        "owner": "group:default/forestry",
        "environment": "production",
        "namespace": NAMESPACE,
        "pods": "as-is",
    }
    (tmp_path / "values.yaml").write_text(dump(form))
    template = str(SKELETONS / "adopt-service" / "template.yaml")
    done = understage("template", "run", template, "--root", str(SKELETONS), "--values", "values.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gitea.read("forestry", "sawmill", "deploy/Chart.yaml") is None, "nothing before the merge"
    assert platform.argocd.application("sawmill-production") is None

    body = merge(platform, "sawmill")
    assert "| sawmill | 2, 4 |" in body
    assert "| stay |" in body
    assert "Secret/sawmill" in (gitea.read("forestry", "sawmill", "deploy/ADOPTION.md") or "")
    assert "very-sharp" not in (gitea.read("forestry", "sawmill", "deploy/values.yaml") or "")
    merge(platform, "gitops")
    for name in ("project", "applications/sawmill-production"):
        text = gitea.read("forestry", "gitops", f"infrastructure/teams/forestry/{name}.yaml")
        assert text is not None
        platform.cluster.apply(parse_documents(text)[0].value)
    platform.argocd.wait_for_application("sawmill-production", seconds=180)

    assert uids(platform) == before, "the pods that ran go on running"
    taken = deployment(platform)
    assert taken["metadata"]["uid"] == uid
    assert taken["metadata"]["labels"]["helm.sh/chart"].startswith("base-service-")
    secret = platform.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/sawmill")
    assert secret is not None, "what is not in Git is not taken away"

    url = f"{gitea.url}/forestry/sawmill"
    arguments = ["adopt", url, "--owner", "group:default/forestry", "--namespace", NAMESPACE, "--path", "k8s"]
    again = understage(*arguments, "--pull-request", "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    report = json.loads(again.stdout)["output"]["report"]
    assert "so its pods are replaced once" in report
    assert "podOverrides.containers** container main: it has `args`" in report
    assert "| are replaced once |" in merge(platform, "sawmill")
    platform.argocd.request("GET", "/api/v1/applications/sawmill-production?refresh=hard")
    wait_for("other pods", lambda: (len(uids(platform)) == 2 and not uids(platform) & before) or None, 180)
    assert deployment(platform)["metadata"]["uid"] == uid
    pod = deployment(platform)["spec"]["template"]["spec"]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
