"""The events bus of a Node backend: what is asked of it, and what becomes of its answers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from understage.errors import ForeignError
from understage.events import node_bus
from understage.events.node_bus import NodeEventBus
from understage.identity.outgoing import Answer
from understage.platform.event_bus import Event, EventBus

BASE = "http://backstage:7007/api/events"
OWN = "experimental.catalog.errors"


class Backend:
    """Answers from lists, by method; notes what it was asked."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        assert headers == {"authorization": "Bearer token"}
        self.asked.append((method, url.removeprefix(BASE), json))
        return self.answers[method].pop(0)


async def headers() -> Mapping[str, str]:
    return {"authorization": "Bearer token"}


class Side:
    """Our side: a bus with a listener that fails as often as it is told to."""

    def __init__(self, backend: Backend, failures: int = 0) -> None:
        self.bus = EventBus()
        self.events: list[Event] = []
        self.failures = failures
        self.bus.subscribe(["github.push"], self.hear)
        self.node = NodeEventBus(BASE, backend, headers, self.bus, [OWN])

    async def hear(self, event: Event) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the database is away")
        self.events.append(event)


def events(*payloads: Any) -> Answer:
    return Answer(200, {"events": [{"topic": "github.push", "payload": payload} for payload in payloads]})


SUBSCRIBED = ("PUT", "/bus/v1/subscriptions/catalog.understage", {"topics": ["github.push"]})
POLLED = ("GET", "/bus/v1/subscriptions/catalog.understage/events", None)


async def test_events_are_fetched_and_believed() -> None:
    backend = Backend(PUT=[Answer(201, None)], GET=[events({"ref": "a"}, {"ref": "b"}), Answer(202, None)])
    side = Side(backend)
    assert await side.node.take()
    assert not await side.node.take(), "after a wait that brought nothing there is no hurry"
    assert backend.asked == [SUBSCRIBED, POLLED, POLLED]
    assert [(event.payload, event.is_trusted) for event in side.events] == [({"ref": "a"}, True), ({"ref": "b"}, True)]


async def test_a_subscription_that_was_lost_is_made_again() -> None:
    backend = Backend(PUT=[Answer(201, None)] * 2, GET=[Answer(404, None), events({})])
    side = Side(backend)
    await side.node.take()
    await side.node.take()
    assert backend.asked == [SUBSCRIBED, POLLED, SUBSCRIBED, POLLED]
    assert len(side.events) == 1


async def test_an_event_that_could_not_be_handled_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_bus, "FIRST_PAUSE", 0.001)
    side = Side(Backend(PUT=[Answer(201, None)], GET=[events({"ref": "a"})]), failures=3)
    await side.node.take()
    assert [event.payload for event in side.events] == [{"ref": "a"}]
    lost = Side(Backend(PUT=[Answer(201, None)], GET=[events({"ref": "a"}, {"ref": "b"})]), failures=6)
    await lost.node.take()
    assert [event.payload for event in lost.events] == [{"ref": "b"}], "the first one is given up after six tries"


@pytest.mark.parametrize("answer", [Answer(500, None), Answer(200, None), Answer(200, {"events": 1}), Answer(403, {})])
async def test_an_answer_that_is_none_is_an_error(answer: Answer) -> None:
    with pytest.raises(ForeignError):
        await Side(Backend(PUT=[Answer(201, None)], GET=[answer])).node.take()


async def test_without_an_events_backend_nobody_is_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_bus, "ABSENT_SECONDS", 0.001)
    backend = Backend(PUT=[Answer(404, None), Answer(201, None)], GET=[events({})])
    side = Side(backend)
    await side.node.take()
    assert backend.asked == [SUBSCRIBED]
    await side.node.take()
    assert len(side.events) == 1


async def test_our_own_events_are_published_there_and_not_given_back() -> None:
    backend = Backend(POST=[Answer(201, None), Answer(404, None)])
    side = Side(backend)
    for number in range(4):
        side.bus.announce(Event(OWN, {"entity": number}))
        await asyncio.sleep(0.01)
    told = {"event": {"topic": OWN, "payload": {"entity": 0}}, "notifiedSubscribers": ["catalog.understage"]}
    assert backend.asked[0] == ("POST", "/bus/v1/events", told)
    assert len(backend.asked) == 2, "where there is no events backend, the others are not sent"
