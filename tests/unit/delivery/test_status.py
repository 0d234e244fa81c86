"""`GET /api/understage/services/{name}/status` and its command: what is told, to whom, and what is left out."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import respx
from starlette.requests import Request
from typer.testing import CliRunner

from understage.cli.main import app as commands
from understage.delivery import StatusSources, create_status_router
from understage.identity.credentials import Credentials
from understage.model.entity import Entity
from understage.platform.plugin import create_plugin
from understage.sdk.testing import FakeArgoCd, FakeArgoCds, FakeCluster, FakeClusters

Json = dict[str, Any]
REPOSITORY = "https://git.example.com/payments/ledger"


def component(name: str = "ledger", owner: str = "group:default/payments", **annotations: str) -> Entity:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"owner": owner, "type": "service"},
    }


def application(name: str, team: str = "payments", *, labels: Json | None = None, **status: Any) -> Json:
    known = {
        "sync": {"status": "Synced", "revisions": ["c0ffee0000", "c0ffee0000"]},
        "health": {"status": "Healthy"},
        "summary": {"images": ["registry.example.com/payments/ledger:1.2.0"]},
        "history": [{"deployedAt": "2026-11-26T10:00:00Z"}, {"deployedAt": "2026-11-26T12:00:00Z"}],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "labels": labels or {}},
        "spec": {
            "project": team,
            "sources": [{"repoURL": f"{REPOSITORY}.git"}],
            "destination": {"namespace": name},
        },
        "status": {**known, **status},
    }


def of_ledger(environment: str, **more: Any) -> Json:
    labels = {"app.kubernetes.io/name": "ledger", "team": "payments", "environment": environment}
    return application(f"ledger-{environment}", labels=labels, **more)


def argocd(*applications: Json) -> FakeArgoCd:
    return FakeArgoCd(applications={each["metadata"]["name"]: each for each in applications})


def cluster(**namespaces: str) -> FakeCluster:
    """A cluster with namespaces of teams, and a Deployment in each."""
    found = FakeCluster("east")
    for key, team in namespaces.items():
        name = key.replace("_", "-")
        metadata: Json = {"name": name, "labels": {"team": team, "environment": name.rpartition("-")[2]}}
        found.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="test")
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": name},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": f"{team}/{name}:1"}]}}},
            "status": {"readyReplicas": 1},
        }
        found.seed(deployment, manager="test")
    return found


class Catalog:
    """One entity, which `reader` may read."""

    def __init__(self, entity: Entity, reader: str = "user:default/ada") -> None:
        self.entity, self.reader = entity, reader

    async def readable(self, refs: list[str], credentials: Credentials) -> list[Entity]:
        ref = f"component:default/{self.entity['metadata']['name']}"
        allowed = getattr(credentials.principal, "user_entity_ref", None) == self.reader
        return [self.entity] if ref in refs and allowed else []


async def ask(
    entity: Entity,
    *,
    argocds: list[FakeArgoCd] | None = None,
    clusters: list[FakeCluster] | None = None,
    user: str = "user:default/ada",
    seconds: float = 5.0,
    name: str = "ledger",
) -> tuple[int, Json]:
    async def authenticate(_request: Request) -> Credentials:
        return Credentials.user(user, token="t")

    sources = StatusSources(FakeArgoCds(argocds or []), FakeClusters(clusters or []), seconds=seconds)
    app = create_plugin("understage", [create_status_router(sources, Catalog(entity))], authenticate=authenticate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get(f"/services/{name}/status")
    return answer.status_code, answer.json()


async def test_each_environment_is_told_in_the_order_of_its_way_to_production() -> None:
    status, body = await ask(
        component(),
        argocds=[argocd(of_ledger("production"), of_ledger("development"), of_ledger("staging"))],
        clusters=[cluster(ledger_staging="payments")],
    )
    assert status == 200
    assert (body["entityRef"], body["team"], body["healthy"], body["complete"]) == (
        "component:default/ledger",
        "payments",
        True,
        True,
    )
    assert [each["environment"] for each in body["environments"]] == ["development", "staging", "production"]
    staging = body["environments"][1]
    assert staging["application"] == {
        "name": "ledger-staging",
        "sync": "Synced",
        "health": "Healthy",
        "message": None,
        "revision": "c0ffee0000",
        "images": ["registry.example.com/payments/ledger:1.2.0"],
        "deployedAt": "2026-11-26T12:00:00Z",
        "namespace": "ledger-staging",
        "argocd": "default",
        "url": "https://argocd.test/applications/argocd/ledger-staging",
    }
    assert staging["images"] == ["payments/ledger-staging:1"]
    assert body["environments"][0]["images"] == ["registry.example.com/payments/ledger:1.2.0"]
    assert staging["workloads"] == [
        {
            "cluster": "east",
            "kind": "Deployment",
            "name": "ledger-staging",
            "desired": 2,
            "ready": 1,
            "images": ["payments/ledger-staging:1"],
        }
    ]


async def test_what_is_wrong_is_told_with_argo_cd_s_reason() -> None:
    degraded = of_ledger(
        "production",
        health={"status": "Degraded"},
        resources=[{"kind": "Deployment", "name": "ledger", "health": {"status": "Degraded", "message": "no quota"}}],
    )
    _, body = await ask(component(), argocds=[argocd(degraded)])
    assert body["healthy"] is False
    assert body["environments"][0]["application"]["message"] == "Deployment ledger: no quota"


async def test_who_may_not_read_the_entity_learns_nothing() -> None:
    there = await ask(component(), argocds=[argocd(of_ledger("staging"))], user="user:default/mallory")
    absent = await ask(component(), name="nothing", user="user:default/mallory")
    assert there[0] == absent[0] == 404
    assert there[1]["error"]["message"] == "There is no entity component:default/ledger, or you may not read it"


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param({"argocd/app-name": "cart-production"}, id="by name"),
        pytest.param({"argocd/app-selector": "team=storefront"}, id="by selector"),
        pytest.param({"backstage.io/kubernetes-namespace": "cart-production"}, id="by namespace"),
    ],
)
@pytest.mark.parametrize("owner", ["group:default/payments", "group:default/storefront"])
async def test_annotations_show_nothing_of_other_teams(claim: dict[str, str], owner: str) -> None:
    """Entities are written by their owners, who may claim any owner, too."""
    labels = {"app.kubernetes.io/name": "cart", "team": "storefront", "environment": "production"}
    theirs = application("cart-production", "storefront", labels=labels)
    theirs["spec"]["sources"] = [{"repoURL": "https://git.example.com/storefront/cart.git"}]
    location = {"backstage.io/managed-by-location": f"url:{REPOSITORY}/src/branch/main/catalog-info.yaml"}
    _, body = await ask(
        component(owner=owner, **claim, **location),
        argocds=[argocd(theirs)],
        clusters=[cluster(cart_production="storefront", ledger_api_staging="payments")],
    )
    assert body["environments"] == []
    assert "cart" not in json.dumps(body)


async def test_an_application_of_before_is_found_by_name_and_repository() -> None:
    location = {"backstage.io/managed-by-location": f"url:{REPOSITORY}/src/branch/main/catalog-info.yaml"}
    entity = component(**{"argocd/app-name": "ledger-production"}, **location)
    _, body = await ask(entity, argocds=[argocd(application("ledger-production"))])
    assert [each["environment"] for each in body["environments"]] == ["production"]


async def test_without_argo_cd_the_cluster_tells_what_it_knows_and_the_answer_says_so() -> None:
    place = cluster(ledger_staging="payments")
    place.seed(of_ledger("staging"), manager="argocd")
    down = FakeArgoCd(name="main", url="http://10.1.2.3:8080", unreachable="connection refused")
    _, body = await ask(component(), argocds=[down], clusters=[place])
    assert body["complete"] is False
    assert body["sources"] == [
        {
            "name": "Argo CD main",
            "answers": False,
            "message": "could not be asked; the log of Understage says why",
        },
        {"name": "cluster east", "answers": True, "message": None},
    ]
    (staging,) = body["environments"]
    assert (staging["application"]["sync"], staging["application"]["argocd"]) == ("Synced", None)
    assert staging["workloads"][0]["ready"] == 1
    assert "10.1.2.3" not in json.dumps(body)


async def test_who_does_not_answer_in_time_is_left_out() -> None:
    class Slow(FakeArgoCd):
        async def list_project_applications(self, *, project: str) -> list[Json]:
            await asyncio.sleep(60)
            return []

    loop = asyncio.get_running_loop()
    began = loop.time()
    _, body = await ask(
        component(), argocds=[Slow(name="slow")], clusters=[cluster(ledger_staging="payments")], seconds=0.2
    )
    assert loop.time() - began < 5
    assert body["sources"][0] == {
        "name": "Argo CD slow",
        "answers": False,
        "message": "did not answer within 0.2 seconds",
    }
    assert [each["environment"] for each in body["environments"]] == ["staging"]


@pytest.mark.parametrize("owner", ["user:default/ada", "group:other/payments", "", "payments,team!=x"])
async def test_what_no_team_owns_has_no_status(owner: str) -> None:
    status, body = await ask(component(owner=owner), argocds=[argocd(of_ledger("staging"))])
    assert (status, body["error"]["name"]) == (400, "InputError")


TOLD = {
    "entityRef": "component:default/ledger",
    "team": "payments",
    "healthy": True,
    "complete": True,
    "environments": [
        {
            "environment": "staging",
            "namespace": "ledger-staging",
            "application": {
                "name": "ledger-staging",
                "sync": "Synced",
                "health": "Healthy",
                "message": None,
                "revision": "c0ffee0000",
                "images": ["ledger:1.2.0"],
                "deployedAt": "2026-11-26T12:00:00Z",
            },
            "images": ["ledger:1.2.0"],
            "workloads": [{"ready": 2, "desired": 2, "images": ["ledger:1.2.0"]}],
        }
    ],
    "sources": [{"name": "Argo CD main", "answers": True, "message": None}],
}
DOWN = [{"name": "Argo CD main", "answers": False, "message": "did not answer within 8 seconds"}]


def degraded() -> Json:
    found: Json = json.loads(json.dumps(TOLD))
    found["healthy"] = False
    found["environments"][0]["application"] |= {"health": "Degraded", "message": "no \x1b[31mquota"}
    return found


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        pytest.param(TOLD, 0, "staging      Synced  Healthy  2/2", id="well"),
        pytest.param(degraded(), 1, "    no  [31mquota", id="not well"),
        pytest.param(
            {**TOLD, "complete": False, "sources": DOWN}, 2, "Incomplete: Argo CD main did not answer", id="partly"
        ),
        pytest.param({**TOLD, "healthy": False, "environments": []}, 2, "runs nowhere", id="nowhere"),
    ],
)
def test_the_command_tells_people_programs_and_shells(body: Json, code: int, said: str) -> None:
    with respx.mock(base_url="http://127.0.0.1:7007") as server:
        server.get("/api/understage/services/ledger/status").respond(json=body)
        shown = CliRunner().invoke(commands, ["service", "status", "ledger", "--token", "t"])
        assert (shown.exit_code, said in shown.output + shown.stderr) == (code, True), shown.output + shown.stderr
        as_json = CliRunner().invoke(commands, ["service", "status", "ledger", "--token", "t", "--json"])
        assert (as_json.exit_code, json.loads(as_json.stdout)) == (code, body)


def test_the_command_says_why_it_cannot_tell() -> None:
    with respx.mock(base_url="http://127.0.0.1:7007") as server:
        route = server.get("/api/understage/services/ledger/status")
        route.respond(404, json={"error": {"message": "There is no entity"}})
        assert CliRunner().invoke(commands, ["service", "status", "ledger", "--token", "t"]).exit_code == 2
        route.mock(side_effect=httpx.ConnectError("refused"))
        assert CliRunner().invoke(commands, ["service", "status", "ledger", "--token", "t"]).exit_code == 2
