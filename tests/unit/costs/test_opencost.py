"""OpenCost's answers: whose they are, a month; how often it is asked; what it means when it fails."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from tests.unit.costs.opencost import HOURS, allocation, answer

from understage.config.platform_settings import OpenCostSettings
from understage.errors import ForeignError
from understage.integrations.opencost import OpenCostSource, service_of
from understage.integrations.opencost.allocation import read_allocations
from understage.integrations.opencost.spending import Cost, Spending

URL = "http://opencost.example.com:9003"
LABEL = "app.kubernetes.io/name"
WEEK = answer(
    {
        "ledger-production/ledger": {
            "cpuCost": 10.0,
            "ramCost": 5.0,
            "pvCost": 1.0,
            "networkCost": 0.5,
            "loadBalancerCost": 0.3,
        },
        "ledger-production/__unallocated__": {"cpuCost": 2.0},
        "ledger-staging/ledger": {"cpuCost": 1.0, "sharedCost": 0.25},
        "tools/ledger": {"cpuCost": 99.0},
        "__idle__": {"cpuCost": 1000.0},
        "__unmounted__/__unallocated__": {"pvCost": 1000.0},
    }
)


def read(content: Any) -> Spending:
    return read_allocations(content, LABEL, "EUR")


@pytest.mark.parametrize("label", ["app_kubernetes_io_name=", ""])
def test_costs_are_those_of_namespaces_and_services(label: str) -> None:
    spending = read(answer({"ledger-production/ledger": {"cpuCost": 10.0}, "shop/web": {"ramCost": 2.0}}, label=label))
    assert spending.hours == HOURS
    assert {name: cost.total for name, cost in spending.namespaces.items()} == {"ledger-production": 10.0, "shop": 2.0}
    assert spending.services[("shop", "web")] == Cost(memory=2.0)


def test_a_month_by_hand() -> None:
    spending = read(WEEK)
    costs = spending.of_service("ledger")
    # Not the pods of that name in somebody else's namespace, and nothing that is nobody's.
    assert {name: round(cost.total, 4) for name, cost in costs.items()} == {
        "ledger-production": 16.8,
        "ledger-staging": 1.25,
    }
    assert costs["ledger-staging"].other == 0.25
    assert spending.namespaces["ledger-production"].total == pytest.approx(18.8)
    assert "__idle__" not in spending.namespaces
    # 16.80 in 168 hours are 0.10 an hour, 73 a month.
    assert spending.monthly(costs["ledger-production"]) == pytest.approx(73.0)


def test_an_annotated_namespace_counts_too() -> None:
    entity = {"metadata": {"name": "books", "annotations": {
        "backstage.io/kubernetes-id": "ledger", "backstage.io/kubernetes-namespace": "tools, other"}}}  # fmt: skip
    name, namespaces = service_of(entity)
    assert (name, namespaces) == ("ledger", {"tools", "other"})
    assert list(read(WEEK).of_service(name, namespaces)) == ["ledger-production", "ledger-staging", "tools"]
    assert service_of({"metadata": {"name": "web", "annotations": []}}) == ("web", frozenset())


def test_adjustments_by_the_bill_and_several_sets_are_added() -> None:
    content = answer({"shop/web": {"cpuCost": 2.0, "cpuCostAdjustment": -0.5}}, {"shop/web": {"cpuCost": 1.0}})
    later = content["data"][1]["shop/app_kubernetes_io_name=web"]
    later["window"] = {"start": "2026-11-26T00:00:00Z", "end": "2026-12-03T00:00:00Z"}
    spending = read(content)
    assert (spending.hours, spending.services[("shop", "web")].cpu) == (2 * HOURS, 2.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no list `data`"),
        ({"data": {}}, "no list `data`"),
        ({"data": []}, "no costs of this time"),
        ({"data": [None, {}, "x", {"shop": 3}]}, "no costs of this time"),
        ({"data": [{"shop": {"totalCost": 1}}]}, "no window"),
        ({"data": [{"shop": allocation("shop", start="2026-11-26", end="2026-11-26")}]}, "no window"),
        ({"data": [{"shop": allocation("shop", start="yesterday")}]}, "no window"),
    ],
)
def test_another_shape_is_told(content: Any, words: str) -> None:
    with pytest.raises(ForeignError, match=words):
        read(content)


def test_what_is_no_number_is_nothing() -> None:
    content = answer({"shop/web": {"cpuCost": 2.0}})
    item = content["data"][0]["shop/app_kubernetes_io_name=web"]
    item |= {"ramCost": "many", "pvCost": None, "networkCost": float("nan"), "loadBalancerCost": True}
    assert read(content).services[("shop", "web")] == Cost(cpu=2.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def source(clock: Clock, **settings: Any) -> OpenCostSource:
    return OpenCostSource(OpenCostSettings(url=URL, **settings), "EUR", clock=clock)


@respx.mock
async def test_what_is_asked() -> None:
    route = respx.get(f"{URL}/model/allocation").respond(json=WEEK)
    spending = await source(Clock(), path="/model/allocation", token="t0k", window=timedelta(days=3)).current()
    request = route.calls.last.request
    assert dict(request.url.params) == {
        "window": "4320m",
        "aggregate": "namespace,label:app_kubernetes_io_name",
        "includeIdle": "false",
    }
    assert request.headers["authorization"] == "Bearer t0k"
    assert spending.currency == "EUR"


@respx.mock
async def test_one_question_serves_all_until_it_is_due() -> None:
    route = respx.get(f"{URL}/allocation/compute").respond(json=WEEK)
    clock = Clock()
    asked = source(clock)
    found = await asyncio.gather(*(asked.current() for _ in range(20)), *(asked.known() for _ in range(20)))
    assert len(found) == 40
    assert route.call_count == 1
    clock.now = 3599.0
    await asked.current()
    assert route.call_count == 1
    clock.now = 3600.0
    await asked.current()
    assert route.call_count == 2


@respx.mock
async def test_whoever_cannot_wait_takes_what_is_known() -> None:
    slow, asked = asyncio.Event(), source(Clock())

    async def reply(_request: httpx.Request) -> httpx.Response:
        await slow.wait()
        return httpx.Response(200, json=WEEK)

    respx.get(f"{URL}/allocation/compute").mock(side_effect=reply)
    first = asyncio.create_task(asked.known())
    await asyncio.sleep(0.01)
    assert await asked.known() is None
    slow.set()
    assert await first is not None
    assert await asked.known() is await first


@respx.mock
async def test_when_it_fails_the_last_answer_stays_and_it_is_left_alone() -> None:
    route = respx.get(f"{URL}/allocation/compute")
    route.side_effect = [
        httpx.Response(200, json=WEEK),
        httpx.Response(500),
        httpx.Response(200, json=answer({"shop/web": {"cpuCost": 1.0}})),
    ]
    clock = Clock()
    asked = source(clock)
    before = await asked.current()
    clock.now = 3600.0
    assert await asked.current() is before
    clock.now += 29.0
    assert await asked.current() is before
    clock.now += 1.0
    # The catalog has more patience than somebody who waits.
    assert await asked.known() is before
    assert route.call_count == 2
    assert list((await asked.current()).namespaces) == ["shop"]


@respx.mock
async def test_the_catalog_asks_again_in_the_end() -> None:
    route = respx.get(f"{URL}/allocation/compute")
    route.side_effect = [httpx.Response(500), httpx.Response(200, json=WEEK)]
    clock = Clock()
    asked = source(clock)
    found = []
    for clock.now in (0.0, 599.0, 600.0):
        found.append(await asked.known() is not None)
    assert found == [False, False, True]


@respx.mock
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (httpx.Response(401), r"answers 401; check understage\.costs\.openCost\.path and"),
        (httpx.Response(200, text="<html>"), "not JSON"),
        (httpx.Response(200, json={"code": 200, "data": None}), "no list `data`"),
        (
            httpx.ConnectError("refused"),
            r"at http://opencost\.example\.com:9003 does not answer: .*openCost\.url names it",
        ),
    ],
)
async def test_without_any_answer_it_says_why(reply: Any, words: str) -> None:
    respx.get(f"{URL}/allocation/compute").mock(side_effect=[reply])
    asked = source(Clock(), token="t0ken")
    for _ in range(2):
        with pytest.raises(ForeignError, match=words) as caught:
            await asked.current()
        assert "t0ken" not in caught.value.message
    assert await asked.known() is None
