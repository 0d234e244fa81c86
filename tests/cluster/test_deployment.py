"""Self-service deployment on the bench: what Git says runs, promotions and rollbacks are pull requests, the status says so.

Objects are looked at from outside, by the API server; the status by its route.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.requests import Request
from tests.cluster.bench import Platform
from tests.cluster.bench.process import wait_for

from understage.delivery import StatusSources, create_status_router
from understage.errors import ConflictError
from understage.identity.credentials import Credentials
from understage.integrations.argocd import argocd_from_config
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.kubernetes import clusters_from_config
from understage.model.entity import Entity
from understage.platform.http import HttpClient
from understage.platform.plugin import create_plugin
from understage.sdk import Ports
from understage.sdk.testing import FakeArgoCd, FakeArgoCds, FakeForges, fake_ports, run_action
from understage_actions.argocd_register_app import register_app
from understage_actions.argocd_sync import sync
from understage_actions.gitops_promote import promote
from understage_actions.gitops_rollback import rollback
from understage_actions.kubernetes_create_namespace import create_namespace

Json = dict[str, Any]
CHART = Path(__file__).parents[2] / "skeletons" / "charts" / "base-service"
TEAM, SERVICE = "couriers", "parcels"
IMAGE = "registry.example.com/couriers/parcels"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: b}\n"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


class Bench:
    """The service on the bench."""

    def __init__(self, platform: Platform, http: HttpClient, folder: Path) -> None:
        gitea, config = platform.gitea, platform.app_config()
        forge = create_gitea_forge(
            http, host=gitea.host, base_url=gitea.url, username=gitea.username, password=gitea.password
        )
        self.platform, self.folder = platform, folder
        self.ports: Ports = fake_ports(
            forges=FakeForges([forge]),
            git=GitRemotes(folder / "git"),
            clusters=clusters_from_config(config),
            argocd=argocd_from_config(config),
        )

    def publish(self) -> None:
        gitea = self.platform.gitea
        gitea.create_organization(TEAM)
        gitea.create_repository(TEAM, SERVICE, private=True)
        files = {f"deploy/{path.relative_to(CHART)}": path.read_text() for path in CHART.rglob("*") if path.is_file()}
        for environment in ("development", "staging"):
            values = {"image": {"repository": IMAGE, "tag": "1.0.0"}, "replicas": 1}
            files[f"deploy/environments/{environment}.yaml"] = f"# {environment}\n{yaml.safe_dump(values)}"
        files["deploy/templates/extra.yaml"] = MAP
        gitea.commit(TEAM, SERVICE, files, "Add the service")

    async def act(self, action: Any, **step: Any) -> Json:
        return (await run_action(action, step, workspace=self.folder, ports=self.ports)).output

    async def deploy(self, environment: str) -> None:
        name = f"{SERVICE}-{environment}"
        where = {"namespace": name, "team": TEAM, "environment": environment}
        await self.act(create_namespace, **where)
        await self.act(
            register_app,
            **where,
            name=name,
            repoUrl=self.platform.gitea.clone_url(TEAM, SERVICE),
            valueFiles=[f"deploy/environments/{environment}.yaml"],
            wait=True,
            waitTimeout=120,
        )

    async def sync(self, environment: str) -> None:
        """What Argo CD does by itself within minutes."""
        await self.act(sync, name=f"{SERVICE}-{environment}", team=TEAM, prune=True, waitTimeout=120)

    def release(self, environment: str, tag: str) -> None:
        file = f"deploy/environments/{environment}.yaml"
        known = self.platform.gitea.read(TEAM, SERVICE, file) or ""
        old = yaml.safe_load(known)["image"]["tag"]
        self.platform.gitea.commit(TEAM, SERVICE, {file: known.replace(old, tag)}, f"Release {tag}")

    def merge(self, url: str) -> None:
        self.platform.gitea.merge(TEAM, SERVICE, url.rpartition("/")[2])

    def image(self, environment: str) -> str:
        """What the cluster runs."""
        found = self._get(environment, f"/apis/apps/v1/namespaces/{SERVICE}-{environment}/deployments")
        (deployment,) = found["items"]
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])

    def _get(self, environment: str, path: str) -> Json:
        found = self.platform.cluster.get(path)
        assert found is not None, environment
        return found

    async def status(self, argocds: Any = None, seconds: float = 8.0) -> Json:
        async def authenticate(_request: Request) -> Credentials:
            return Credentials.user("user:default/ada", token="t")

        class Catalog:
            async def readable(self, refs: list[str], credentials: Credentials) -> list[Entity]:
                metadata = {"name": SERVICE, "namespace": "default"}
                return [{"kind": "Component", "metadata": metadata, "spec": {"owner": f"group:default/{TEAM}"}}]

        sources = StatusSources(argocds or self.ports.argocd, self.ports.clusters, seconds=seconds)
        app = create_plugin("understage", [create_status_router(sources, Catalog())], authenticate=authenticate)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answer = await client.get(f"/services/{SERVICE}/status")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def told(self, environment: str) -> Json:
        (found,) = [each for each in (await self.status())["environments"] if each["environment"] == environment]
        return dict(found)

    async def tells(self, environment: str, image: str) -> Json:
        """The status, as soon as the cluster has it."""
        for _ in range(30):
            found = await self.told(environment)
            if found["images"] == [image]:
                break
            await asyncio.sleep(1)
        assert found["images"] == [image]
        return found


async def until(what: str, is_so: Callable[[], bool]) -> None:
    wait_for(what, lambda: True if is_so() else None, 90)


async def test_a_service_is_deployed_promoted_healed_pruned_rolled_back_and_told_of(
    platform: Platform, http: HttpClient, tmp_path: Path
) -> None:
    bench = Bench(platform, http, tmp_path)
    bench.publish()
    for environment in ("development", "staging"):
        await bench.deploy(environment)
    status = await bench.status()
    assert (status["healthy"], status["complete"], status["team"]) == (True, True, TEAM)
    assert [each["environment"] for each in status["environments"]] == ["development", "staging"]
    for environment in ("development", "staging"):
        await bench.tells(environment, f"{IMAGE}:1.0.0")
    assert [bool(each["application"]["deployedAt"]) for each in status["environments"]] == [True, True]

    # A release to development; what does not run there yet is not promoted.
    bench.release("development", "1.1.0")
    step = {"service": SERVICE, "team": TEAM, "from": "development", "to": "staging"}
    with pytest.raises(ConflictError, match=r"Git has others since: wait|wait until it is Synced"):
        await bench.act(promote, **step)
    await bench.sync("development")
    assert bench.image("development") == f"{IMAGE}:1.1.0"
    assert bench.image("staging") == f"{IMAGE}:1.0.0"
    await bench.tells("development", f"{IMAGE}:1.1.0")

    # The promotion is a pull request; nothing is deployed until it is merged.
    promoted = await bench.act(promote, **step)
    assert promoted["changes"] == [{"key": "image.tag", "before": "1.0.0", "after": "1.1.0"}]
    assert (await bench.act(promote, **step))["pullRequestUrl"] == promoted["pullRequestUrl"]
    number = promoted["pullRequestUrl"].rpartition("/")[2]
    request = platform.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/pulls/{number}").json()
    assert request["title"] == f"Promote {SERVICE} 1.1.0 from development to staging"
    assert "| `image.tag` | `1.0.0` | `1.1.0` |" in request["body"]
    diff = platform.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/pulls/{number}.diff").text
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert lines == ["-  tag: 1.0.0", "+  tag: 1.1.0"]
    bench.merge(promoted["pullRequestUrl"])
    await bench.sync("staging")
    assert bench.image("staging") == f"{IMAGE}:1.1.0"
    assert (await bench.told("staging"))["workloads"][0]["images"] == [f"{IMAGE}:1.1.0"]

    # What is changed by hand is healed.
    deployments = f"/apis/apps/v1/namespaces/{SERVICE}-staging/deployments"
    (deployment,) = bench._get("staging", deployments)["items"]
    name = deployment["metadata"]["name"]
    by_hand = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{IMAGE}:9.9.9"}]
    patch = {"Content-Type": "application/json-patch+json"}
    assert platform.cluster.request("PATCH", f"{deployments}/{name}", json=by_hand, headers=patch).is_success
    await until("self-healing", lambda: bench.image("staging") == f"{IMAGE}:1.1.0")

    # What Git does not have any more is pruned.
    extra = f"/api/v1/namespaces/{SERVICE}-staging/configmaps/extra"
    assert platform.cluster.get(extra)
    file = f"/repos/{TEAM}/{SERVICE}/contents/deploy/templates/extra.yaml"
    known = platform.gitea.request("GET", file).json()["sha"]
    gone = {"sha": known, "branch": "main", "message": "Take it away"}
    assert platform.gitea.request("DELETE", file, json=gone).is_success
    await until("pruning", lambda: platform.cluster.get(extra) is None)

    # The old image comes back by Git: Argo CD would heal what is rolled back by hand.
    back = await bench.act(rollback, service=SERVICE, team=TEAM, environment="staging")
    assert back["changes"] == [{"key": "image.tag", "before": "1.1.0", "after": "1.0.0"}]
    bench.merge(back["pullRequestUrl"])
    await bench.sync("staging")
    assert bench.image("staging") == f"{IMAGE}:1.0.0"
    assert bench.image("development") == f"{IMAGE}:1.1.0"
    assert (await bench.tells("staging", f"{IMAGE}:1.0.0"))["application"]["sync"] == "Synced"

    # And forward again, at once, to a deployment that is named.
    forward = await bench.act(
        rollback, service=SERVICE, team=TEAM, environment="staging", pullRequest=False,
        revision=(platform.argocd.application(f"{SERVICE}-staging") or {})["status"]["history"][-2]["revision"],
    )  # fmt: skip
    assert forward["pullRequestUrl"] is None
    await bench.sync("staging")
    assert bench.image("staging") == f"{IMAGE}:1.1.0"

    # Without Argo CD the clusters tell, in time, and the answer says what it lacks.
    began = time.monotonic()
    down = FakeArgoCds([FakeArgoCd(name="down", unreachable="connection refused")])
    partly = await bench.status(down)
    assert time.monotonic() - began < 20
    assert partly["complete"] is False
    assert [source["name"] for source in partly["sources"] if not source["answers"]] == ["Argo CD down"]
    assert [each["application"]["sync"] for each in partly["environments"]] == ["Synced", "Synced"]
    assert [each["workloads"][0]["images"] for each in partly["environments"]] == [[f"{IMAGE}:1.1.0"]] * 2


async def test_argo_cd_s_projects_are_listed_alone(platform: Platform) -> None:
    found = argocd_from_config(platform.app_config()).get()
    assert found is not None
    assert await found.list_project_applications(project="no-such-project") == []
