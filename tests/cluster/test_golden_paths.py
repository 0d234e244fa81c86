"""`new-website`, `new-worker` and `new-job` on the bench: from the form's values to what runs in the cluster.

`test_golden_path` has `new-service`. The bench has no gateway: a test says in its stead that a route is accepted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Cluster, Gitea, Platform
from tests.cluster.bench.process import wait_for
from tests.cluster.test_policies import ROUTES
from tests.unit.skeletons.golden_path import GUARDRAILS, Run, run_steps, templating

from understage.integrations.argocd import argocd_from_config
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.helm import HelmBinary
from understage.integrations.kubernetes import clusters_from_config
from understage.platform.http import HttpClient
from understage.sdk.testing import FakeCatalog, FakeForges, fake_ports

TEAM = "golden"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/{0}-staging/httproutes/{0}"


@pytest.fixture(scope="module", autouse=True)
def organization(gitea: Gitea) -> None:
    gitea.create_organization(TEAM)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


async def run(
    template: str, name: str, platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path, **form: Any
) -> Run:
    """What a person gets who fills in the form of a template."""
    gitea = platform.gitea
    forge = create_gitea_forge(
        http, host=gitea.host, base_url=gitea.url, username=gitea.username, password=gitea.password
    )
    component = {"kind": "Component", "metadata": {"namespace": "default", "name": name}}
    location = f"{gitea.url}/{TEAM}/{name}/src/branch/main/catalog-info.yaml"
    config = platform.app_config()
    ports = fake_ports(
        forges=FakeForges([forge]),
        git=GitRemotes(tmp_path / "git"),
        helm=HelmBinary(str(helm_binary)),
        clusters=clusters_from_config(config),
        argocd=argocd_from_config(config),
        catalog=FakeCatalog(reachable={location: [component]}),
        templating=templating(),
        guardrails=GUARDRAILS,
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    values = {"name": name, "owner": f"group:default/{TEAM}", "environment": "staging", **form}
    done = await run_steps(workspace, values, ports, template=template)
    # What there is to apply is applied, so nothing goes to the GitOps repository.
    assert done.skipped == ["gitops"]
    assert "Synced, Healthy" in done.output["text"][0]["content"]
    assert done.output["text"][1]["title"] == "What it costs"
    assert f'owner: "group:default/{TEAM}"' in (gitea.read(TEAM, name, "catalog-info.yaml") or "")
    return done


@asynccontextmanager
async def accepting(cluster: Cluster, path: str) -> AsyncIterator[None]:
    """Do what a gateway does: say that it accepts a route, as soon as there is one."""

    async def accept() -> None:
        while (route := await asyncio.to_thread(cluster.get, path)) is None:
            await asyncio.sleep(0.2)
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        (parent,) = route["spec"]["parentRefs"]
        status = {"parentRef": parent, "controllerName": "example.com/gateway", "conditions": conditions}
        place = {name: route["metadata"][name] for name in ("name", "namespace")}
        about = {"apiVersion": route["apiVersion"], "kind": route["kind"], "metadata": place}
        await asyncio.to_thread(cluster.apply, {**about, "status": {"parents": [status]}})

    task = asyncio.create_task(accept())
    yield
    await task


def deployment(cluster: Cluster, name: str) -> dict[str, Any]:
    found = cluster.get(f"/apis/apps/v1/namespaces/{name}-staging/deployments/{name}")
    assert found is not None
    assert found["metadata"]["labels"]["team"] == TEAM
    return found


async def test_a_website_is_led_to_by_its_route(
    platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path
) -> None:
    cluster = platform.cluster
    cluster.apply(ROUTES)
    async with accepting(cluster, ROUTE.format("atrium")):
        done = await run("new-website", "atrium", platform, http, helm_binary, tmp_path)
    assert [link["title"] for link in done.output["links"]] == [
        *("Repository", "Application in Argo CD", "The website", "Open in the catalog")
    ]
    assert wait_for("two pods", lambda: len(cluster.pods("atrium-staging")) == 2, 60)
    route = cluster.get(ROUTE.format("atrium"))
    assert route is not None
    assert route["spec"]["hostnames"] == ["atrium-staging.apps.example.com"]
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    service = cluster.get(f"/api/v1/namespaces/atrium-staging/services/{backend['name']}")
    assert service is not None
    assert backend["port"] in [port["port"] for port in service["spec"]["ports"]]
    told = cluster.get("/api/v1/namespaces/atrium-staging/configmaps/atrium")
    assert told is not None
    assert told["data"]["config.json"] == '{ "environment": "staging" }\n'
    assert deployment(cluster, "atrium")["status"]["readyReplicas"] == 2


async def test_a_worker_runs_and_nothing_leads_to_it(
    platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path
) -> None:
    cluster = platform.cluster
    await run("new-worker", "courier", platform, http, helm_binary, tmp_path, language="go", queue="letters")
    assert wait_for("two pods", lambda: len(cluster.pods("courier-staging")) == 2, 60)
    (container,) = deployment(cluster, "courier")["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert (environment["QUEUE"], environment["REDIS_URL"]) == ("letters", "redis://redis.messaging:6379/0")
    assert cluster.get(ROUTE.format("courier")) is None
    dashboard = cluster.get("/api/v1/namespaces/courier-staging/configmaps/dashboard-service-courier")
    assert dashboard is not None
    assert "messaging_process_duration_seconds" in dashboard["data"]["service-courier.json"]


async def test_a_job_waits_for_its_time(
    platform: Platform, http: HttpClient, helm_binary: Path, tmp_path: Path
) -> None:
    cluster = platform.cluster
    await run("new-job", "sweeper", platform, http, helm_binary, tmp_path, schedule="15 3 1 1 *")
    job = cluster.get("/apis/batch/v1/namespaces/sweeper-staging/cronjobs/sweeper")
    assert job is not None
    assert (job["spec"]["schedule"], job["metadata"]["labels"]["team"]) == ("15 3 1 1 *", TEAM)
    assert cluster.get("/api/v1/namespaces/sweeper-staging/services/sweeper") is None
