"""By a real Redis, at TEST_REDIS_URL: `docker run --rm --publish 6379:6379 redis`."""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from worker.queue import Queue, connect
from worker.settings import Settings, read_settings

URL = os.environ.get("TEST_REDIS_URL")
pytestmark = pytest.mark.skipif(not URL, reason="set TEST_REDIS_URL to a Redis for tests")


@pytest.fixture
def settings() -> Settings:
    told = {"REDIS_URL": URL or "", "QUEUE": f"test-{uuid.uuid4()}", "RETRY_SECONDS": "2", "HOSTNAME": "a"}
    return read_settings(told)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with connect(settings) as client:
        yield client
        client.delete(settings.queue, settings.dead_letters)


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> Queue:
    queue = Queue(redis, settings)
    queue.prepare()
    queue.prepare()
    return queue


def test_a_message_is_given_once_and_gone_when_done(redis: Redis, settings: Settings, queue: Queue) -> None:
    redis.xadd(settings.queue, {"body": b"\xff", b"\xfe": "not text"})
    message = queue.take()
    assert message is not None
    assert (message.fields["body"], message.attempt) == (b"\xff", 1)
    assert queue.take() is None
    queue.done(message)
    assert redis.xlen(settings.queue) == 0
    assert redis.xpending(settings.queue, settings.group)["pending"] == 0


def test_a_message_that_is_not_done_in_time_is_given_to_another(redis: Redis, settings: Settings, queue: Queue) -> None:
    added: list[Any] = [redis.xadd(settings.queue, {"body": str(number)}) for number in range(3)]
    identities = [identity.decode() for identity in added]
    assert [found.id for _ in identities if (found := queue.take())] == identities
    time.sleep(2.1)
    other = Queue(redis, replace(settings, consumer="b"))
    again = [found for _ in identities if (found := other.take())]
    assert [(found.id, found.attempt) for found in again] == [(identity, 2) for identity in identities]


def test_a_dead_letter_says_what_was_wrong(redis: Redis, settings: Settings, queue: Queue) -> None:
    redis.xadd(settings.queue, {"body": "1"})
    message = queue.take()
    assert message is not None
    queue.bury(message, "broken")
    letters: Any = redis.xrange(settings.dead_letters)
    ((_, fields),) = letters
    assert fields == {
        b"body": b"1",
        b"dead:id": message.id.encode(),
        b"dead:attempts": b"1",
        b"dead:reason": b"broken",
    }
    assert redis.xlen(settings.queue) == 0


def test_who_leaves_takes_no_message_along(redis: Redis, settings: Settings, queue: Queue) -> None:
    redis.xadd(settings.queue, {"body": "1"})
    message = queue.take()
    assert message is not None
    queue.leave()
    assert redis.xpending(settings.queue, settings.group)["pending"] == 1
    queue.done(message)
    queue.leave()
    assert redis.xinfo_consumers(settings.queue, settings.group) == []
