"""Takes messages and has them handled, one at a time, until it is told to stop."""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Protocol

from redis.exceptions import RedisError

from worker.queue import Message
from worker.telemetry import DEAD, observed
from worker.work import RefusedError

log = logging.getLogger("worker")

PAUSE_SECONDS = 1.0


class Source(Protocol):
    """Where messages come from; `worker.queue.Queue` is one."""

    def prepare(self) -> None: ...
    def take(self) -> Message | None: ...
    def done(self, message: Message) -> None: ...
    def bury(self, message: Message, reason: str) -> None: ...


class Loop:
    """What runs all the time."""

    def __init__(
        self, queue: Source, handle: Callable[[Message], None], *, name: str, max_attempts: int, retry_seconds: int
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._name = name
        self._max_attempts = max_attempts
        self._retry_seconds = retry_seconds
        self._turned = time.monotonic()

    def is_alive(self) -> bool:
        """Whether it goes round: false when a message takes so long that others may take it.

        A queue that does not answer is no reason to start again, so it does not count.
        """
        return time.monotonic() - self._turned < self._retry_seconds

    def run(self, stop: Event) -> None:
        """Work until `stop`; the message at hand is finished first."""
        is_ready = False
        while not stop.is_set():
            self._turned = time.monotonic()
            try:
                if not is_ready:
                    self._queue.prepare()
                    is_ready = True
                message = self._queue.take()
                if message is not None:
                    self._work(message)
            except RedisError as error:
                # Also when the queue was emptied, and the group with it.
                is_ready = False
                log.warning("the queue does not answer: %s", error)
                stop.wait(PAUSE_SECONDS)

    def _work(self, message: Message) -> None:
        if message.attempt > self._max_attempts:
            # It was taken and neither done nor buried: each time the process ended.
            self._bury(message, "the worker ended each time")
            return
        try:
            with observed(self._name, message):
                self._handle(message)
        except RefusedError as error:
            self._bury(message, str(error))
        except Exception as error:
            if message.attempt >= self._max_attempts:
                self._bury(message, f"{type(error).__name__}: {error}")
                return
            log.warning(
                "%s failed, try %d of %d; the next in %d s: %s",
                *(message.id, message.attempt, self._max_attempts, self._retry_seconds, error),
            )
        else:
            self._queue.done(message)

    def _bury(self, message: Message, reason: str) -> None:
        self._queue.bury(message, reason)
        DEAD.labels(self._name).inc()
        log.error("%s is a dead letter after %d tries: %s", message.id, message.attempt, reason)
