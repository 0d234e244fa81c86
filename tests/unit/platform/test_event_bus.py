"""The event bus: who is told, who waits, and what a failure of one costs the others."""

import asyncio

from understage.errors import InputError
from understage.platform import event_bus
from understage.platform.event_bus import Event, EventBus


async def test_each_topic_has_its_own_listeners() -> None:
    bus, heard = EventBus(), []

    async def hear(event: Event) -> None:
        heard.append(event.topic)

    bus.subscribe(["a", "b"], hear)
    bus.subscribe(["a"], hear)
    assert await bus.publish(Event("a", None))
    assert await bus.publish(Event("c", None))
    assert heard == ["a", "a"]
    assert bus.topics == ["a", "b"]
    assert (bus.has_listeners("b"), bus.has_listeners("c")) == (True, False)


async def test_a_listener_that_fails_costs_the_others_nothing() -> None:
    bus, heard = EventBus(), []

    async def fail(event: Event) -> None:
        raise RuntimeError("away")

    async def refuse(event: Event) -> None:
        raise InputError("no such thing")

    async def hear(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event.payload)

    for topics, handler in ((["a"], fail), (["a", "b"], hear), (["b"], refuse)):
        bus.subscribe(topics, handler)
    assert not await bus.publish(Event("a", 1))
    assert await bus.publish(Event("b", 2)), "what is malformed is not worth another try"
    assert heard == [1, 2]


async def test_an_announcement_waits_for_nobody_and_is_bounded() -> None:
    bus, gate, heard = EventBus(), asyncio.Event(), []

    async def hear(event: Event) -> None:
        await gate.wait()
        heard.append(event.payload)

    bus.subscribe(["a"], hear)
    for number in range(event_bus.MOST_ANNOUNCED + 5):
        bus.announce(Event("a", number))
    gate.set()
    while len(heard) < event_bus.MOST_ANNOUNCED:
        await asyncio.sleep(0)
    await bus.close()
    assert heard == list(range(event_bus.MOST_ANNOUNCED))


async def test_what_was_announced_is_broken_off_at_the_end() -> None:
    bus, begun, ended = EventBus(), asyncio.Event(), []

    async def hear(event: Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.payload)

    bus.subscribe(["a"], hear)
    bus.announce(Event("a", 1))
    await begun.wait()
    await bus.close()
    assert ended == [1]
