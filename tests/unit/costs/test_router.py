"""Who is told which costs."""

from typing import Any

import httpx
import pytest
from tests.unit.costs.opencost import answer

from understage.cost import create_cost_router
from understage.identity.credentials import Credentials
from understage.integrations.opencost import Spending
from understage.integrations.opencost.allocation import read_allocations
from understage.platform.plugin import create_plugin

SPENT = answer(
    {
        "ledger-production/ledger": {"cpuCost": 12.0, "ramCost": 4.8},
        "ledger-production/__unallocated__": {"pvCost": 4.2},
        "ledger-staging/ledger": {"cpuCost": 1.68},
        "secret-lab/lab": {"cpuCost": 5.0},
        "tools/ledger": {"cpuCost": 9.0},
    }
)


class Source:
    """What was spent."""

    async def current(self) -> Spending:
        return read_allocations(SPENT, "app.kubernetes.io/name", "EUR")


class Catalog:
    """A catalog of which a caller may read `refs`; None: all there are."""

    def __init__(self, refs: list[str] | None) -> None:
        self._refs = refs
        self._all = ["component:default/ledger", "component:default/lab"]

    async def readable(self, refs: list[str], credentials: Credentials) -> list[dict[str, Any]]:
        known = self._all if self._refs is None else self._refs
        return [{"kind": "Component", "metadata": {"name": ref.rpartition("/")[2]}} for ref in refs if ref in known]

    async def reads_everything(self, credentials: Credentials) -> bool:
        return self._refs is None


async def ask(path: str, *, readable: list[str] | None = None, source: Any = None) -> tuple[int, Any]:
    async def nobody(_request: Any) -> Credentials:
        return Credentials.none()

    router = create_cost_router(source or Source(), Catalog(readable))
    app = create_plugin("understage", [router], authenticate=nobody)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://understage.test") as client:
        answered = await client.get(path)
        return answered.status_code, answered.json() if answered.content else None


async def test_a_service_by_hand() -> None:
    status, body = await ask("/services/ledger/cost")
    assert status == 200
    # 18.48 in 168 hours are 0.11 an hour, 80.30 in 730.
    assert (body["entityRef"], body["service"], body["currency"]) == ("component:default/ledger", "ledger", "EUR")
    assert (body["monthly"], body["total"]) == (80.3, 18.48)
    assert body["window"] == {"start": "2026-11-19T00:00:00+00:00", "end": "2026-11-26T00:00:00+00:00", "hours": 168.0}
    assert body["parts"] == {"cpu": 13.68, "memory": 4.8, "storage": 0, "network": 0, "loadBalancer": 0, "other": 0}
    assert [(part["namespace"], part["monthly"]) for part in body["namespaces"]] == [
        ("ledger-production", 73.0),
        ("ledger-staging", 7.3),
    ]


async def test_a_namespace_by_hand() -> None:
    status, body = await ask("/namespaces/ledger-production/cost")
    assert (status, body["monthly"], body["total"]) == (200, 91.25, 21.0)
    assert [(part["service"], part["monthly"]) for part in body["services"]] == [("ledger", 73.0)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services/ledger/cost", 200),
        ("/services/lab/cost", 404),
        ("/services/nowhere/cost", 404),
        ("/namespaces/ledger-production/cost", 200),
        ("/namespaces/secret-lab/cost", 404),
        # Pods named like a service that the caller may read do not open somebody else's namespace.
        ("/namespaces/tools/cost", 404),
        ("/namespaces/nowhere/cost", 404),
    ],
)
async def test_costs_are_shown_to_whoever_may_read_the_service(path: str, status: int) -> None:
    assert (await ask(path, readable=["component:default/ledger"]))[0] == status
    assert (await ask(path, readable=[]))[0] == 404


async def test_what_may_not_be_seen_and_what_is_not_there_look_alike() -> None:
    hidden = (await ask("/namespaces/secret-lab/cost", readable=[]))[1]["error"]
    absent = (await ask("/namespaces/nowhere/cost", readable=[]))[1]["error"]
    assert hidden["message"].replace("secret-lab", "nowhere") == absent["message"]


@pytest.mark.parametrize("path", ["/services/a:b/cost", "/services/x%2Fy/cost", "/services/ledger/cost?kind=a/b"])
async def test_names_that_are_none_are_refused(path: str) -> None:
    assert (await ask(path))[0] in (400, 404)


async def test_a_service_without_pods_is_told_what_to_do() -> None:
    status, body = await ask("/services/web/cost", readable=["component:default/web"])
    assert (status, body["error"]["name"]) == (404, "NotFoundError")
    assert "OpenCost knows no pods of web: they need the label" in body["error"]["message"]


async def test_without_opencost_it_says_what_to_configure() -> None:
    async def nobody(_request: Any) -> Credentials:
        return Credentials.none()

    app = create_plugin("understage", [create_cost_router(None, Catalog(None))], authenticate=nobody)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://understage.test") as client:
        answered = await client.get("/services/ledger/cost")
    assert answered.status_code == 501
    assert "understage.costs.openCost.url" in answered.json()["error"]["message"]
