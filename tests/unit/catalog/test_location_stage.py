"""The targets of one Location are read several at a time, and what they emit is taken in their order."""

import asyncio
from typing import Any

import pytest
from tests.store.catalog_bench import PagesReader

from understage.catalog.processing.cache import EntityCache
from understage.catalog.processing.location_stage import AHEAD, LocationStage
from understage.catalog.processing.orchestrator import Orchestrator, Result
from understage.errors import InputError, UnderstageError
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

ORIGIN = LocationRef("url", "https://example.com/all.yaml")


class SlowReader(Processor):
    """Emits a component for each target, the first targets last; `fails` names one whose reading breaks off after that."""

    def __init__(self, setup: ProcessorSetup, *, fails: str = "", seconds: float = 0.02) -> None:
        super().__init__(setup)
        self.seconds = seconds
        self.fails = fails
        self.running = self.most = 0
        self.cancelled: list[str] = []

    async def validate_kind(self, entity: dict[str, Any]) -> bool:
        return True

    async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
        name = location.target.rpartition("/")[2]
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds / (1 + int(name)))
            context.emit.entity(component(f"c{name}"), location)
            context.emit.error(UnderstageError(f"seen {name}"))
            context.emit.refresh_key(f"url:{location.target}")
            if name == self.fails:
                raise InputError("broken off")
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.running -= 1
        return True


def component(name: str) -> dict[str, Any]:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": name}, "spec": {}}


async def read(processor: SlowReader, count: int, *, most_children: int = 1000) -> Result:
    stage = LocationStage([processor], PagesReader(), most_targets=100)
    orchestrator = Orchestrator([processor], None, stage, most_children=most_children)
    marks = dict.fromkeys(("backstage.io/managed-by-location", "backstage.io/managed-by-origin-location"), str(ORIGIN))
    targets = [f"https://example.com/{number}" for number in range(count)]
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": "all", "annotations": marks},
        "spec": {"type": "url", "targets": targets},
    }
    return await orchestrator.process(entity, EntityCache(None))


async def test_in_their_order_several_at_a_time() -> None:
    processor = SlowReader(ProcessorSetup(PagesReader()))
    result = await read(processor, 10)
    assert [child.ref for child in result.children] == [f"component:default/c{number}" for number in range(10)]
    assert [str(error) for error in result.errors] == [f"seen {number}" for number in range(10)]
    assert processor.most == AHEAD
    places = [error.place.path for error in result.errors if isinstance(error, UnderstageError) and error.place]
    assert places == [("spec", "targets", number) for number in range(10)]


async def test_what_breaks_off_ends_the_others_and_keeps_what_came_before() -> None:
    processor = SlowReader(ProcessorSetup(PagesReader()), fails="0")
    result = await read(processor, 10)
    assert [child.ref for child in result.children] == ["component:default/c0"]
    first, last = result.errors
    assert (str(first), "broken off" in str(last)) == ("seen 0", True)
    assert isinstance(last, UnderstageError)
    assert last.place is not None
    assert last.place.path == ("spec", "targets", 0)
    assert processor.running == 0


async def test_who_waits_for_it_can_break_it_off() -> None:
    processor = SlowReader(ProcessorSetup(PagesReader()), seconds=3600)
    reading = asyncio.create_task(read(processor, 10))
    while processor.running < AHEAD:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert processor.running == 0
    assert sorted(processor.cancelled) == [str(number) for number in range(AHEAD)]


async def test_too_many_children_end_it_with_their_number() -> None:
    processor = SlowReader(ProcessorSetup(PagesReader()))
    result = await read(processor, 10, most_children=5)
    assert "more than 5 entities; catalog.mostChildren is the limit" in str(result.errors[-1])
    assert processor.running == 0
