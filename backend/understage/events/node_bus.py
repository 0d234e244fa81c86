"""The events bus of a Node backend beside us: what comes in there reaches our subscribers, and what we tell reaches its own.

Started by the composition root where `discovery.endpoints` places the plugin `events` elsewhere. The protocol is that of
Backstage's events-backend (`/bus/v1/…`): one subscription for all replicas, each event is handed to one of them. An event that
could not be handled is tried again here, as the bus does not give it twice. Where there is no such backend (404), this rests.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from understage.errors import ForeignError
from understage.identity.outgoing import Answer, Fetch
from understage.platform.event_bus import Event, EventBus
from understage.platform.scheduler import Loop

log = structlog.get_logger(__name__)

SUBSCRIPTION = "catalog.understage"
POLL_SECONDS = 0.1
ABSENT_SECONDS = 600.0
ATTEMPTS = 6
FIRST_PAUSE = 0.5

Headers = Callable[[], Awaitable[Mapping[str, str]]]


class NodeEventBus:
    """`base` is the address of the plugin, `headers` makes those of a request of ours; `told` are the topics we publish."""

    def __init__(self, base: str, fetch: Fetch, headers: Headers, bus: EventBus, told: Sequence[str]) -> None:
        self._base = f"{base}/bus/v1"
        self._fetch = fetch
        self._headers = headers
        self._bus = bus
        self._topics = [topic for topic in bus.topics if topic not in told]
        self._is_subscribed = False
        self._silent_until = 0.0
        self._loop = Loop("events of the Node backend", self.take, interval=POLL_SECONDS)
        bus.subscribe(told, self.tell)

    def start(self) -> None:
        """Begin to listen; nothing is asked where nobody of ours wants events."""
        if self._topics:
            self._loop.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._loop.stop()

    async def take(self) -> bool:
        """Wait for the next events, up to a minute, and hand them out. True: there may be more at once."""
        if not self._is_subscribed and not await self._subscribe():
            await asyncio.sleep(ABSENT_SECONDS)
            return True
        answer = await self._ask("GET", f"/subscriptions/{SUBSCRIPTION}/events")
        if answer.status == 404:
            self._is_subscribed = False
        elif answer.status == 200:
            for event in _events(answer.body):
                await self._hand_out(event)
        elif answer.status != 202:
            raise ForeignError(f"the events backend answered {answer.status} to a subscriber")
        return answer.status != 202

    async def tell(self, event: Event) -> None:
        """Publish one of our events there."""
        if time.monotonic() < self._silent_until:
            return
        body = {"event": {"topic": event.topic, "payload": event.payload}, "notifiedSubscribers": [SUBSCRIPTION]}
        answer = await self._ask("POST", "/events", body)
        if answer.status == 404:
            self._silent_until = time.monotonic() + ABSENT_SECONDS
        elif answer.status not in (201, 204):
            raise ForeignError(f"the events backend answered {answer.status} to an event of {event.topic}")

    async def _subscribe(self) -> bool:
        answer = await self._ask("PUT", f"/subscriptions/{SUBSCRIPTION}", {"topics": self._topics})
        if answer.status == 404:
            log.info("the Node backend has no events backend; webhooks can be sent here", url=self._base)
            return False
        if answer.status not in (200, 201):
            raise ForeignError(f"the events backend answered {answer.status} to a subscription")
        self._is_subscribed = True
        return True

    async def _hand_out(self, event: Event) -> None:
        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS):
            if await self._bus.publish(event):
                return
            await asyncio.sleep(pause)
            pause *= 2
        log.error("an event was given up", topic=event.topic, attempts=ATTEMPTS)

    async def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        return await self._fetch(self._base + path, method=method, headers=await self._headers(), json=body)


def _events(body: Any) -> list[Event]:
    """The events of an answer; the backend beside us checked where they come from."""
    rows = body.get("events") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ForeignError("the events backend answered without events")
    return [
        Event(row["topic"], row.get("payload"), is_trusted=True)
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("topic"), str)
    ]
