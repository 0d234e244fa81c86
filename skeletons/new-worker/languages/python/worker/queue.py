"""A queue in a stream of Redis, read by a group of consumers.

Each message is given to one consumer, and stays with it until it is done. One that was not done within RETRY_SECONDS,
because it failed or its consumer ended, is given to another. So each is handled at least once, and sometimes twice.
"""

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from worker.settings import Settings

# How long to wait for a message; after that the loop looks whether it is to stop.
WAIT_SECONDS = 1
FIRST = "0-0"


@dataclass(frozen=True)
class Message:
    """A message, and how often it was given to a consumer, this time included."""

    id: str
    fields: dict[str, bytes]
    attempt: int


def connect(settings: Settings) -> Redis:
    """A client; it connects when it is first used, and again when the connection was lost."""
    client: Redis = Redis.from_url(
        settings.redis_url,
        username=settings.username,
        password=settings.password,
        socket_connect_timeout=5,
        socket_timeout=WAIT_SECONDS + 5,
        health_check_interval=30,
    )
    return client


class Queue:
    """The queue as one consumer sees it. Its methods raise RedisError when Redis does not answer."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._queue = settings.queue
        self._group = settings.group
        self._consumer = settings.consumer
        self._dead_letters = settings.dead_letters
        self._retry_milliseconds = settings.retry_seconds * 1000
        self._cursor: Any = FIRST

    def prepare(self) -> None:
        """Make the group if there is none; it gets what was in the queue before."""
        try:
            self._redis.xgroup_create(self._queue, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def take(self) -> Message | None:
        """The next message, those first that were not done in time; None after a second without any."""
        return self._take_again() or self._take_new()

    def _take_again(self) -> Message | None:
        answer: Any = self._redis.xautoclaim(
            self._queue, self._group, self._consumer, self._retry_milliseconds, start_id=self._cursor, count=1
        )
        # It looks at some at a time, and says where it is to go on.
        self._cursor, found, *_ = answer
        if not found:
            return None
        (entry,) = found
        pending: Any = self._redis.xpending_range(self._queue, self._group, min=entry[0], max=entry[0], count=1)
        return _message(entry, pending[0]["times_delivered"])

    def _take_new(self) -> Message | None:
        found: Any = self._redis.xreadgroup(
            self._group, self._consumer, {self._queue: ">"}, count=1, block=WAIT_SECONDS * 1000
        )
        for _, entries in found or []:
            for entry in entries:
                return _message(entry, 1)
        return None

    def done(self, message: Message) -> None:
        """Take it out of the queue, which belongs to this group alone."""
        with self._redis.pipeline(transaction=True) as together:
            together.xack(self._queue, self._group, message.id)
            together.xdel(self._queue, message.id)
            together.execute()

    def bury(self, message: Message, reason: str) -> None:
        """Move it to the dead letters, with the reason. Either both queues change or none."""
        fields: dict[Any, Any] = dict(message.fields)
        fields |= {"dead:id": message.id, "dead:attempts": message.attempt, "dead:reason": reason[:1000]}
        with self._redis.pipeline(transaction=True) as together:
            together.xadd(self._dead_letters, fields)
            together.xack(self._queue, self._group, message.id)
            together.xdel(self._queue, message.id)
            together.execute()

    def leave(self) -> None:
        """Take this consumer from the group, unless messages of its own wait for another try: they would be lost."""
        if not self._redis.xpending_range(
            self._queue, self._group, min="-", max="+", count=1, consumername=self._consumer
        ):
            self._redis.xgroup_delconsumer(self._queue, self._group, self._consumer)


def _message(entry: tuple[bytes, dict[bytes, bytes]], attempt: int) -> Message:
    identity, fields = entry
    return Message(identity.decode(), {name.decode(errors="replace"): value for name, value in fields.items()}, attempt)
