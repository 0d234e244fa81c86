"""The annotation of costs: what is noted, and how seldom an entity is rewritten for it."""

from typing import Any

import pytest
import respx
from tests.unit.costs.opencost import answer

from understage.catalog.processing.cache import EntityCache
from understage.catalog.processors import annotate_cost
from understage.catalog.processors.annotate_cost import ANNOTATION, CostAnnotationProcessor, rounded
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, ProcessorSetup
from understage.sdk.testing import FakeReader

URL = "http://opencost.example.com"
DAY = 86_400
PLACE = LocationRef("url", "https://example.com/catalog-info.yaml")


class Bench:
    """A processor, its clock, what OpenCost says, and one entity's cache."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, router: respx.Router, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.weekly: float | None = 16.8
        self.stored: str | None = None
        self.writes = 0
        monkeypatch.setattr(annotate_cost.time, "time", lambda: self.now)
        router.get(f"{URL}/allocation/compute").mock(side_effect=self._answer)
        costs = {"currency": "USD", "openCost": {"url": URL, "refresh": "0s", "currency": "EUR", **settings}}
        setup = ProcessorSetup(FakeReader(), {"understage": {"costs": costs}})
        self.processor = CostAnnotationProcessor(setup)

    def _answer(self, _request: Any) -> Any:
        import httpx

        if self.weekly is None:
            return httpx.Response(503)
        return httpx.Response(200, json=answer({"ledger-production/ledger": {"cpuCost": self.weekly}}))

    async def round(self, **changes: Any) -> str | None:
        """One round of processing; the annotation in the end."""
        entity = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "ledger"}, **changes}
        cache = EntityCache(self.stored)
        context = ProcessingContext(PLACE, PLACE, None, cache.of("cost"))  # type: ignore[arg-type]  # nothing is emitted
        done = await self.processor.pre_process(entity, context)
        stored = cache.to_store(ok=True)
        self.writes += stored != self.stored
        self.stored = stored
        found: str | None = (done["metadata"].get("annotations") or {}).get(ANNOTATION)
        return found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, respx_mock: respx.Router) -> Bench:
    # A question that failed is not repeated for a while, by another clock than the test's.
    monkeypatch.setattr("understage.integrations.opencost.source.LONG_PAUSE", 0.0)
    return Bench(monkeypatch, respx_mock)


async def test_the_amount_is_rounded_and_noted(bench: Bench) -> None:
    assert await bench.round() == "73 EUR"


async def test_an_entity_is_rewritten_once_a_day_at_most(bench: Bench) -> None:
    assert await bench.round() == "73 EUR"
    for hour in range(1, 24):
        bench.weekly, bench.now = 16.8 + hour, 1_000_000.0 + hour * 3600
        assert await bench.round() == "73 EUR"
    assert bench.writes == 1
    bench.now = 1_000_000.0 + DAY
    assert await bench.round() == "170 EUR"
    assert bench.writes == 2


async def test_a_small_change_is_none(bench: Bench) -> None:
    await bench.round()
    for day in range(1, 6):
        bench.weekly, bench.now = 16.8 * (1.04 if day % 2 else 0.97), 1_000_000.0 + day * DAY
        assert await bench.round() == "73 EUR"
    assert bench.writes == 1


async def test_a_slow_drift_is_seen_in_the_end(bench: Bench) -> None:
    await bench.round()
    noted = []
    for day in range(1, 6):
        bench.weekly, bench.now = 16.8 * (1 + 0.02 * day), 1_000_000.0 + day * DAY
        noted.append(await bench.round())
    assert noted == ["73 EUR", "73 EUR", "77 EUR", "77 EUR", "77 EUR"]


async def test_while_opencost_fails_the_note_stays(bench: Bench) -> None:
    await bench.round()
    bench.weekly, bench.now = None, 1_000_000.0 + 9 * DAY
    assert await bench.round() == "73 EUR"
    assert bench.writes == 1


async def test_another_replica_keeps_to_the_note(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, respx_mock: Any
) -> None:
    await bench.round()
    other = Bench(monkeypatch, respx_mock)
    other.weekly, other.stored = 50.0, bench.stored
    assert await other.round() == "73 EUR"
    assert other.writes == 0


async def test_what_has_no_pods_any_more_loses_it(bench: Bench) -> None:
    await bench.round()
    bench.now += DAY
    assert await bench.round(metadata={"name": "ledger", "annotations": {"backstage.io/kubernetes-id": "gone"}}) is None


async def test_nobody_writes_it_into_a_file(bench: Bench) -> None:
    own = {ANNOTATION: "0 EUR"}
    assert await bench.round(metadata={"name": "ledger", "annotations": own}) == "73 EUR"
    assert await Bench.round(bench, metadata={"name": "other", "annotations": own}) == "73 EUR"  # of its cache
    bench.stored = None
    assert await bench.round(metadata={"name": "other", "annotations": own}) is None


@pytest.mark.parametrize("changes", [{"kind": "API"}, {"metadata": {"name": "ledger", "annotations": "x"}}])
async def test_others_are_left_alone(bench: Bench, changes: Any) -> None:
    entity = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": "ledger"}, **changes}
    context = ProcessingContext(PLACE, PLACE, None, EntityCache(None).of("cost"))  # type: ignore[arg-type]
    assert await bench.processor.pre_process(entity, context) is entity


async def test_it_is_off_without_opencost_or_when_told_so(monkeypatch: pytest.MonkeyPatch, respx_mock: Any) -> None:
    entity = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": "ledger", "annotations": {ANNOTATION: "1"}}}
    context = ProcessingContext(PLACE, PLACE, None, EntityCache(None).of("cost"))  # type: ignore[arg-type]
    assert await CostAnnotationProcessor(ProcessorSetup(FakeReader(), {})).pre_process(entity, context) is entity
    respx_mock.assert_all_called = False
    off = Bench(monkeypatch, respx_mock, annotate=False)
    assert await off.processor.pre_process(entity, context) is entity
    assert not respx_mock.calls


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0"),
        (0.004, "0"),
        (0.426, "0.43"),
        (7.06, "7.1"),
        (9.96, "10"),
        (72.6, "73"),
        (118.0, "120"),
        (3421.0, "3400"),
    ],
)
def test_two_digits_count(amount: float, text: str) -> None:
    assert rounded(amount) == text
