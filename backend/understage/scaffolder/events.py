"""Events on their way to readers: what there is, what comes, and who is told when.

Called by `api.events`; `tasks` calls `TaskSignals.changed` after each commit. A reader is woken at once by its own process or
by PostgreSQL's NOTIFY; one poll a second for all watched tasks is what counts when neither comes.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from understage.platform.database import Database
from understage.platform.json import loads
from understage.platform.scheduler import Loop
from understage.scaffolder.clock import iso_time
from understage.scaffolder.shielding import shielded
from understage.scaffolder.store.select_events import StoredEvent, select_events, select_last_event_ids

POLL_SECONDS = 1.0
Event = dict[str, Any]
"""`{id, isTaskRecoverable, taskId, body, type, createdAt}`, as on the wire."""


class TaskSignals:
    """Wakes those who watch a task. Belongs to one event loop; `sender` names it to other processes, and to itself."""

    def __init__(self) -> None:
        self.sender = uuid.uuid4().hex
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def changed(self, task_id: str) -> None:
        """There is news of the task."""
        for watcher in self._watchers.get(task_id, ()):
            watcher.set()

    def changed_all(self) -> None:
        """Anything may have happened."""
        for task_id in self._watchers:
            self.changed(task_id)

    @contextmanager
    def watch(self, task_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news."""
        news = asyncio.Event()
        self._watchers.setdefault(task_id, set()).add(news)
        try:
            yield news
        finally:
            watchers = self._watchers[task_id]
            watchers.discard(news)
            if not watchers:
                del self._watchers[task_id]

    @property
    def watched(self) -> list[str]:
        """The tasks that somebody watches."""
        return list(self._watchers)


class TaskEvents:
    """Reads and follows the events of tasks."""

    def __init__(self, database: Database, signals: TaskSignals) -> None:
        self._database = database
        self._signals = signals
        self._closing = False
        self._seen: dict[str, int] = {}
        self._poll = Loop("task events", self._look_for_news, interval=POLL_SECONDS)

    def start(self) -> None:
        """Begin to poll for watched tasks."""
        self._closing = False
        self._poll.start()

    async def stop(self) -> None:
        """End all streams, and polling."""
        self.end_streams()
        await self._poll.stop()

    def end_streams(self) -> None:
        """Let every stream end now: clients come back with the id of the last event they saw."""
        self._closing = True
        self._signals.changed_all()

    async def read(
        self, task_id: str, is_recoverable: bool, *, after: int | None = None, with_completion: bool = True
    ) -> list[Event]:
        """The events above `after`, with any completion. After a start over, those of the runs before are hidden."""
        stored = await shielded(self._select(task_id, after, with_completion))
        return [_to_wire(task_id, is_recoverable, event) for event in _since_start_over(stored)]

    async def wait(self, task_id: str, is_recoverable: bool, *, after: int | None, seconds: float) -> list[Event]:
        """As `read`, but waits until there is an event; an empty list after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        with self._signals.watch(task_id) as news:
            while not self._closing:
                news.clear()
                events = await self.read(task_id, is_recoverable, after=after)
                left = deadline - asyncio.get_running_loop().time()
                if events or left <= 0:
                    return events
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), left)
        return []

    async def follow(
        self, task_id: str, is_recoverable: bool, *, after: int | None, pause: float
    ) -> AsyncGenerator[list[Event], None]:
        """Batches of events as they come; an empty one whenever nothing came for `pause` seconds.

        Ends after the completion, unless the task may start over.
        """
        with self._signals.watch(task_id) as news:
            last, first = after, True
            while not self._closing:
                news.clear()
                events = await self.read(task_id, is_recoverable, after=last, with_completion=first)
                if events:
                    first = False
                    last = max(last or 0, *(event["id"] for event in events))
                    yield events
                    if not is_recoverable and any(event["type"] == "completion" for event in events):
                        return
                try:
                    await asyncio.wait_for(news.wait(), pause)
                except TimeoutError:
                    yield []

    async def _select(self, task_id: str, after: int | None, with_completion: bool) -> list[StoredEvent]:
        async with self._database.read() as connection:
            return await select_events(connection, task_id, after=after, with_completion=with_completion)

    async def _look_for_news(self) -> None:
        watched = self._signals.watched
        if not watched:
            self._seen.clear()
            return
        async with self._database.read() as connection:
            found = await select_last_event_ids(connection, watched)
        for task_id, event_id in found.items():
            if self._seen.get(task_id) != event_id:
                self._signals.changed(task_id)
        self._seen = found


def _since_start_over(events: list[StoredEvent]) -> list[StoredEvent]:
    recovered = [index for index, event in enumerate(events) if event.type == "recovered"]
    if not recovered or loads(events[recovered[-1]].body).get("recoverStrategy") != "startOver":
        return events
    return [] if recovered[-1] == len(events) - 1 else events[recovered[-1] :]


def _to_wire(task_id: str, is_recoverable: bool, event: StoredEvent) -> Event:
    return {
        "id": event.id,
        "isTaskRecoverable": is_recoverable,
        "taskId": task_id,
        "body": loads(event.body),
        "type": event.type,
        "createdAt": iso_time(event.created_at),
    }
