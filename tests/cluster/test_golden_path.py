"""`new-service` on the bench: from the form's values to running pods, with real forge, cluster, Argo CD, git and Helm.

The interpreter runs them with its task in memory; the whole way through the browser is a test of its own.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for
from tests.unit.skeletons.golden_path import GUARDRAILS, Run, StepFailedError, run_steps, templating

from understage.integrations.argocd import argocd_from_config
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.helm import HelmBinary
from understage.integrations.kubernetes import clusters_from_config
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.platform.http import HttpClient
from understage.sdk import Forge, Ports
from understage.sdk.cost import PriceList, estimate_cost
from understage.sdk.testing import FakeCatalog, FakeForges, fake_ports

FORM = {
    "name": "journal",
    "description": "Double-entry books",
    "owner": "group:default/treasury",
    "language": "python",
    "environment": "production",
    "imageRegistry": "registry.example.com",
}


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


def ports_of(platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path) -> Ports:
    gitea = platform.gitea
    forge = create_gitea_forge(
        http, host=gitea.host, base_url=gitea.url, username=gitea.username, password=gitea.password
    )
    location = f"{gitea.url}/treasury/journal/src/branch/main/catalog-info.yaml"
    component = {"kind": "Component", "metadata": {"namespace": "default", "name": "journal"}}
    config = platform.app_config()
    return fake_ports(
        forges=FakeForges([forge]),
        git=GitRemotes(tmp_path / "git"),
        helm=HelmBinary(str(helm_binary)),
        clusters=clusters_from_config(config),
        argocd=argocd_from_config(config),
        catalog=FakeCatalog(reachable={location: [component]}),
        templating=templating(),
        guardrails=GUARDRAILS,
    )


async def run(tmp_path: Path, name: str, ports: Ports, **form: Any) -> Run:
    workspace = tmp_path / name
    workspace.mkdir()
    return await run_steps(workspace, {**FORM, **form}, ports)


async def test_a_service_from_the_form_to_running_pods(
    platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path
) -> None:
    platform.gitea.create_organization("treasury")
    ports = ports_of(platform, http, helm_binary, tmp_path)
    done = await run(tmp_path, "first", ports)
    assert done.skipped == ["gitops"]
    assert [link["title"] for link in done.output["links"]] == [
        "Repository",
        "Application in Argo CD",
        "Open in the catalog",
    ]
    text, cost = done.output["text"]
    assert "Synced, Healthy" in text["content"]
    # 2 pods x (0.25 cores x 0.031611 + 0.25 GiB x 0.004237) x 730 hours
    assert "About **13.08 USD a month**." in cost["content"]

    assert 'owner: "group:default/treasury"' in (platform.gitea.read("treasury", "journal", "catalog-info.yaml") or "")
    assert platform.gitea.read("treasury", "journal", "deploy/charts/base-service/values.schema.json")
    assert wait_for("two pods", lambda: len(platform.cluster.pods("journal-production")) == 2, 60)
    deployment = platform.cluster.get("/apis/apps/v1/namespaces/journal-production/deployments/journal")
    assert deployment is not None
    assert deployment["metadata"]["labels"]["team"] == "treasury"
    assert str(estimate_cost([deployment], PriceList()).monthly) == "13.08"
    dashboard = platform.cluster.get("/api/v1/namespaces/journal-production/configmaps/dashboard-service-journal")
    assert dashboard is not None
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["service-journal.json"])["uid"] == "service-journal"

    with pytest.raises(StepFailedError) as caught:
        await run(tmp_path, "second", ports, owner="group:default/treasury")
    assert "Repository treasury/journal" in str(caught.value)
    assert "Application journal-production in Argo CD bench exists" in str(caught.value)
    with pytest.raises(StepFailedError, match="Namespace journal-production in cluster bench belongs to team treasury"):
        await run(tmp_path, "third", ports, owner="group:default/payments")
    assert platform.gitea.request("GET", "/repos/payments/journal").status_code == 404
    assert len(platform.cluster.pods("journal-production")) == 2


async def test_the_embedded_default_writes_repositories_that_git_can_clone(helm_binary: Path, tmp_path: Path) -> None:
    repositories = LocalRepositories(tmp_path / "repositories", "http://localhost:7007")
    forge: Forge = LocalForge(repositories)
    git = GitRemotes(tmp_path / "git", locate=repositories.locate)
    component = {"kind": "Component", "metadata": {"namespace": "default", "name": "journal"}}
    catalog = FakeCatalog(
        reachable={repositories.contents_url("treasury", "journal", "main", "catalog-info.yaml"): [component]}
    )
    ports = fake_ports(
        forges=FakeForges([forge]),
        git=git,
        helm=HelmBinary(str(helm_binary)),
        catalog=catalog,
        templating=templating(),
        guardrails=GUARDRAILS,
    )
    done = await run(tmp_path, "first", ports)
    assert done.skipped == ["show"]
    assert "git clone http://localhost:7007/git/platform/gitops.git" in done.output["text"][0]["content"]
    clone = tmp_path / "clone"
    clone.mkdir()
    await git.clone(repositories.clone_url("platform", "gitops"), clone)
    files = sorted(str(path.relative_to(clone)) for path in clone.rglob("*.yaml"))
    assert files == [
        "infrastructure/teams/treasury/applications/journal-production.yaml",
        "infrastructure/teams/treasury/dashboards/journal.yaml",
        "infrastructure/teams/treasury/namespaces/journal-production.yaml",
        "infrastructure/teams/treasury/project.yaml",
        "rendered/journal-production.yaml",
    ]
    with pytest.raises(StepFailedError, match=r"Repository treasury/journal on localhost:7007 exists"):
        await run(tmp_path, "second", ports)
    with pytest.raises(StepFailedError, match=r"application journal-production belongs to team treasury"):
        await run(tmp_path, "third", ports, owner="group:default/payments")
