"""The event bus of one process: what happened outside (a webhook) or inside (a conflict), handed to whoever asked for its topic.

`events.ingress` and the catalog publish; the catalog's providers subscribe. Nothing is kept here: a handler that has returned
has committed what follows from the event, so an event whose publisher was answered survives any crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from understage.errors import InputError

log = structlog.get_logger(__name__)

MOST_ANNOUNCED = 1000


@dataclass(frozen=True)
class Event:
    """One event. `metadata` is what came beside the payload, names in lower case.

    `is_trusted` says that a signature, or another backend of the installation, vouches for it.
    """

    topic: str
    payload: Any
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_trusted: bool = False


Handler = Callable[[Event], Awaitable[None]]


class EventBus:
    """Topics and their handlers."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = {}
        self._announced: set[asyncio.Task[bool]] = set()

    @property
    def topics(self) -> list[str]:
        """The topics that anybody listens to."""
        return sorted(self._handlers)

    def subscribe(self, topics: Iterable[str], handler: Handler) -> None:
        """Call `handler` with every event of these topics."""
        for topic in topics:
            self._handlers.setdefault(topic, []).append(handler)

    def has_listeners(self, topic: str) -> bool:
        """Whether anybody listens to a topic."""
        return topic in self._handlers

    def announce(self, event: Event) -> None:
        """Publish without waiting. When handlers are so slow that very many wait already, the event is dropped, and logged."""
        if len(self._announced) >= MOST_ANNOUNCED:
            log.warning("an event is dropped: its listeners are too slow", topic=event.topic)
            return
        task = asyncio.create_task(self.publish(event), name=f"event {event.topic}")
        self._announced.add(task)
        task.add_done_callback(self._announced.discard)

    async def close(self) -> None:
        """Break off what was announced and is not handled yet."""
        for task in self._announced:
            task.cancel()
        await asyncio.gather(*self._announced, return_exceptions=True)

    async def publish(self, event: Event) -> bool:
        """Hand an event to its handlers, all at once, and wait for them. False when one failed; a failure is logged here.

        A payload that a handler refuses as malformed (InputError) is nobody's failure: no second delivery would mend it.
        """
        handlers = self._handlers.get(event.topic, ())
        results = await asyncio.gather(*(handler(event) for handler in handlers), return_exceptions=True)
        for error in results:
            if isinstance(error, InputError):
                log.warning("an event is malformed", topic=event.topic, reason=error.message)
            elif isinstance(error, Exception):
                log.error("an event could not be handled", topic=event.topic, exc_info=error)
            elif error is not None:
                raise error
        return all(error is None or isinstance(error, InputError) for error in results)
