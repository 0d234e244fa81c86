"""`/api/argocd`: what the plugins for Argo CD of an entity's page are answered, and what nobody is told by it.

The requests are those that both plugins send, as read in their packages: see decision 032.
"""

import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from tests.unit.delivery.test_status import Catalog, application, argocd, cluster, component, of_ledger

from understage.delivery import StatusSources, create_argocd_plugin_router
from understage.delivery.reading import Service
from understage.identity.credentials import Credentials
from understage.model.deployed import Deployed
from understage.model.entity import Entity
from understage.platform.plugin import create_plugin
from understage.sdk.testing import FakeArgoCd, FakeArgoCds, FakeClusters

Json = dict[str, Any]
SELECTOR = Deployed("ledger", "payments").annotations()["argocd/app-selector"]
# As both plugins write it into the path: encodeURIComponent.
ENCODED = "app.kubernetes.io%2Fname%3Dledger%2Cteam%3Dpayments"


async def ask(
    path: str, *argocds: FakeArgoCd, entity: Entity | None = None, user: str = "user:default/ada"
) -> tuple[int, Any]:
    async def authenticate(_request: Request) -> Credentials:
        return Credentials.user(user, token="t")

    sources = StatusSources(FakeArgoCds(argocds), FakeClusters([cluster(ledger_staging="payments")]), seconds=5)
    router = create_argocd_plugin_router(sources, Catalog(entity or component()))
    app = create_plugin("argocd", [router], authenticate=authenticate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get(path)
    return answer.status_code, answer.text if "text/plain" in answer.headers["content-type"] else answer.json()


def with_secrets(found: Json) -> Json:
    """What Argo CD's API tells beside what a page shows."""
    source = found["spec"]["sources"][0]
    source["repoURL"] = "https://bot:hunter2@git.example.com/payments/ledger.git"
    source["helm"] = {"parameters": [{"name": "password", "value": "hunter2"}], "values": "password: hunter2"}
    found["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    found["metadata"]["managedFields"] = [{"manager": "hunter2"}]
    found["operation"] = {"initiatedBy": {"username": "hunter2"}}
    return found


async def test_both_environments_are_found_by_the_selector_of_the_entity() -> None:
    main = argocd(of_ledger("staging"), with_secrets(of_ledger("production")), of_cart())
    status, found = await ask(f"/find/selector/{ENCODED}", main)
    assert (status, found) == (
        200,
        [{"name": "default", "url": "https://argocd.test", "appName": ["ledger-staging", "ledger-production"]}],
    )
    status, listed = await ask(f"/argoInstance/default/applications/selector/{ENCODED}?selector=x", main)
    assert [each["metadata"]["name"] for each in listed["items"]] == ["ledger-staging", "ledger-production"]
    staging, production = listed["items"]
    assert staging["metadata"]["instance"] == {"name": "default", "url": "https://argocd.test"}
    assert (staging["status"]["sync"]["status"], staging["status"]["health"]["status"]) == ("Synced", "Healthy")
    assert staging["status"]["summary"]["images"] == ["registry.example.com/payments/ledger:1.2.0"]
    assert staging["status"]["history"][-1]["deployedAt"] == "2026-11-26T12:00:00Z"
    assert production["spec"]["sources"] == [{"repoURL": "https://git.example.com/payments/ledger.git"}]
    assert "hunter2" not in json.dumps(listed)


async def test_what_argocd_has_not_counted_yet_the_cluster_tells() -> None:
    main = argocd(
        of_ledger("staging", summary={}), of_ledger("production", summary={"externalURLs": ["https://ledger"]})
    )
    _, listed = await ask(f"/argoInstance/default/applications/selector/{ENCODED}", main)
    assert [each["status"]["summary"] for each in listed["items"]] == [
        {"images": ["payments/ledger-staging:1"]},
        {"externalURLs": ["https://ledger"]},
    ]
    _, named = await ask("/argoInstance/default/applications/name/ledger-staging", main)
    assert named["status"]["summary"]["images"] == ["payments/ledger-staging:1"]


@pytest.mark.parametrize(
    ("path", "is_asked"),
    [
        (f"/find/selector/{ENCODED}", False),
        ("/find/name/ledger-staging", False),
        (f"/find/selector/{ENCODED}?expand=applications", True),
        ("/find/name/ledger-staging?expand=applications", True),
        ("/argoInstance/default/applications/name/ledger-staging", True),
        ("/argoInstance/default/applications/name/ledger-staging/revisions/c0ffee/metadata", False),
    ],
)
async def test_clusters_are_asked_for_images_only_where_images_are_told(
    path: str, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def images(_: StatusSources, service: Service) -> dict[str, list[str]]:
        asked.append(service.name)
        return {}

    monkeypatch.setattr(StatusSources, "images", images)
    main = argocd(of_ledger("staging", summary={}, history=[{"id": 3, "revision": "c0ffee"}]))
    main.dates = {"c0ffee": "2026-11-26T11:00:00Z"}
    assert (await ask(path, main))[0] == 200
    assert asked == (["ledger"] if is_asked else [])


def of_cart() -> Json:
    labels = {"app.kubernetes.io/name": "cart", "team": "storefront", "environment": "production"}
    return application("cart-production", "storefront", labels=labels)


async def test_one_environment_is_found_by_name_as_each_plugin_asks() -> None:
    main = argocd(of_ledger("staging"), of_ledger("production"))
    status, found = await ask("/find/name/ledger-staging", main)
    assert (status, found[0]["appName"], "applications" in found[0]) == (200, ["ledger-staging"], False)
    _, expanded = await ask("/find/name/ledger-staging?project=payments&expand=applications", main)
    assert [each["metadata"]["name"] for each in expanded[0]["applications"]] == ["ledger-staging"]
    for path in ("applications/name/ledger-staging", "applications/ledger-staging"):
        status, told = await ask(f"/argoInstance/default/{path}", main)
        assert (status, told["metadata"]["name"], told["metadata"]["namespace"]) == (200, "ledger-staging", "argocd")
    assert await ask("/check", main) == (200, "OK")


async def test_the_commit_of_a_deployment_is_told_and_no_other() -> None:
    history = [{"id": 3, "revision": "c0ffee", "deployedAt": "2026-11-26T12:00:00Z"}]
    main = argocd(of_ledger("staging", history=history))
    main.dates = {"c0ffee": "2026-11-26T11:00:00Z", "secret": "2026-11-26T11:00:00Z"}
    path = "/argoInstance/default/applications/name/ledger-staging/revisions"
    assert await ask(f"{path}/c0ffee/metadata", main) == (
        200,
        {
            "author": "Ada <ada@example.com>",
            "date": "2026-11-26T11:00:00Z",
            "message": "Commit c0ffee",
            "revisionID": "c0ffee",
        },
    )
    status, body = await ask(f"{path}/secret/metadata", main)
    assert (status, body["error"]["name"]) == (404, "NotFoundError")


async def test_an_application_that_argo_cd_has_not_looked_at_is_unknown() -> None:
    new = of_ledger("production")
    new["status"] = {"operationState": {"phase": "Running"}}
    _, listed = await ask(f"/argoInstance/default/applications/selector/{ENCODED}", argocd(new))
    assert listed["items"][0]["status"] == {"sync": {"status": "Unknown"}, "health": {"status": "Unknown"}}


@pytest.mark.parametrize(
    "path",
    [
        "/argoInstance/default/applications/name/ledger-staging",
        "/argoInstance/default/applications/name/cart-production",
        "/argoInstance/default/applications/nothing-staging",
        "/argoInstance/default/applications/name/ledger-staging/revisions/c0ffee0000/metadata",
        "/argoInstance/other/applications/name/ledger-staging",
    ],
)
async def test_who_may_not_read_the_component_learns_nothing_by_name(path: str) -> None:
    there = argocd(of_ledger("staging"), of_cart())
    status, body = await ask(path, there, user="user:default/mallory")
    assert (status, body["error"]["name"]) == (404, "NotFoundError")
    assert await ask("/find/name/ledger-staging", there, user="user:default/mallory") == (200, [])


async def test_who_may_not_read_the_component_learns_nothing_by_selector() -> None:
    there = argocd(of_ledger("staging"))
    assert await ask(f"/find/selector/{ENCODED}", there, user="user:default/mallory") == (200, [])
    listed = await ask(f"/argoInstance/default/applications/selector/{ENCODED}", there, user="user:default/mallory")
    assert listed == (200, {"items": []})


@pytest.mark.parametrize("owner", ["group:default/storefront", "user:default/ada", ""])
async def test_a_claim_of_an_entity_shows_nothing_of_other_teams(owner: str) -> None:
    """Entities are written by their owners: the project of the Application decides, not what they say."""
    cart = of_cart()
    cart["metadata"]["labels"] |= {"app.kubernetes.io/name": "ledger", "team": "payments"}
    theirs = argocd(cart)
    entity = (
        component(owner="group:default/payments") if owner == "group:default/storefront" else component(owner=owner)
    )
    assert await ask(f"/find/selector/{ENCODED}", theirs, entity=entity) == (200, [])
    status, _ = await ask("/argoInstance/default/applications/name/cart-production", theirs, entity=entity)
    assert status == 404


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("team%3Dpayments", "must name the component by app.kubernetes.io/name=NAME"),
        ("app.kubernetes.io%2Fname!%3Dledger", "must be a list of label=value"),
        ("app.kubernetes.io%2Fname%20in%20(ledger)", "must be a list of label=value"),
    ],
)
async def test_a_selector_that_names_no_component_is_refused(selector: str, said: str) -> None:
    status, body = await ask(f"/find/selector/{selector}", argocd(of_ledger("staging")))
    assert (status, body["error"]["name"], said in body["error"]["message"]) == (400, "InputError", True)


async def test_an_argo_cd_that_does_not_answer_is_left_out_and_its_address_is_not_told() -> None:
    down = FakeArgoCd(name="down", url="http://10.1.2.3:8080", unreachable="connection refused")
    status, found = await ask(f"/find/selector/{ENCODED}", down, argocd(of_ledger("staging")))
    assert (status, [each["name"] for each in found]) == (200, ["default"])
    for path in (f"/find/selector/{ENCODED}", f"/argoInstance/down/applications/selector/{ENCODED}"):
        status, body = await ask(path, down)
        assert (status, body["error"]["name"]) == (503, "ServiceUnavailableError")
        assert "10.1.2.3" not in json.dumps(body)


async def test_what_annotations_name_besides_narrows() -> None:
    main = argocd(of_ledger("staging"))
    for query, found in (
        ("project=payments", 1),
        ("project=other", 0),
        ("appNamespace=argocd", 1),
        ("appNamespace=x", 0),
    ):
        _, listed = await ask(f"/argoInstance/default/applications/selector/{ENCODED}?{query}", main)
        assert len(listed["items"]) == found, query
