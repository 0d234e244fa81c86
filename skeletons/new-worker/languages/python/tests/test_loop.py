import urllib.error
import urllib.request
from threading import Event

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as NoConnectionError

from worker.loop import Loop
from worker.probes import answering
from worker.queue import Message
from worker.settings import read_settings
from worker.work import RefusedError, handle


class Given:
    """Messages as a queue gives them, then a stop."""

    def __init__(self, *messages: Message | Exception) -> None:
        self.left = list(messages)
        self.finished: list[str] = []
        self.dead: list[tuple[str, str]] = []
        self.prepared = 0
        self.stop = Event()

    def prepare(self) -> None:
        self.prepared += 1

    def take(self) -> Message | None:
        if not self.left:
            self.stop.set()
            return None
        found = self.left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def done(self, message: Message) -> None:
        self.finished.append(message.id)

    def bury(self, message: Message, reason: str) -> None:
        self.dead.append((message.id, reason))


def message(identity: str, attempt: int = 1) -> Message:
    return Message(identity, {"body": b"{}"}, attempt)


def run(queue: Given, failure: Exception | None = None) -> None:
    def work(_: Message) -> None:
        if failure is not None:
            raise failure

    Loop(queue, work, name="tests", max_attempts=3, retry_seconds=60).run(queue.stop)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"messaging_destination_name": "tests", **labels}) or 0


def test_what_is_handled_is_done_and_counted() -> None:
    before = counted("messaging_process_duration_seconds_count", error_type="")
    queue = Given(message("1"), message("2"))
    run(queue)
    assert (queue.finished, queue.dead) == (["1", "2"], [])
    assert counted("messaging_process_duration_seconds_count", error_type="") == before + 2


def test_what_fails_stays_in_the_queue_until_its_last_try() -> None:
    before = counted("messaging_dead_letters_total")
    queue = Given(message("1", 1), message("1", 2), message("1", 3))
    run(queue, ValueError("broken"))
    assert (queue.finished, queue.dead) == ([], [("1", "ValueError: broken")])
    assert counted("messaging_dead_letters_total") == before + 1


def test_what_no_try_can_mend_is_a_dead_letter_at_once() -> None:
    queue = Given(message("1"))
    run(queue, RefusedError("no such customer"))
    assert queue.dead == [("1", "no such customer")]


def test_what_ended_the_process_each_time_is_not_tried_again() -> None:
    queue = Given(message("1", 4))
    run(queue)
    assert (queue.finished, queue.dead) == ([], [("1", "the worker ended each time")])


def test_a_queue_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.loop.PAUSE_SECONDS", 0)
    queue = Given(NoConnectionError("refused"), message("1"))
    run(queue)
    assert (queue.finished, queue.prepared) == (["1"], 2)


def test_a_message_at_hand_is_finished_after_the_signal() -> None:
    queue = Given(message("1"), message("2"))
    Loop(queue, lambda _: queue.stop.set(), name="tests", max_attempts=3, retry_seconds=60).run(queue.stop)
    assert (queue.finished, len(queue.left)) == (["1"], 1)


@pytest.mark.parametrize(("is_alive", "status"), [(True, 200), (False, 503)])
def test_probes_are_answered(is_alive: bool, status: int) -> None:
    with answering(0, lambda: is_alive) as port:
        try:
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status
        except urllib.error.HTTPError as error:
            answer = error.code
        assert answer == status
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
        assert b"messaging_process_duration_seconds" in metrics


def test_it_is_alive_while_a_message_takes_its_time_and_not_when_it_takes_too_long() -> None:
    assert Loop(Given(), lambda _: None, name="tests", max_attempts=1, retry_seconds=60).is_alive()
    assert not Loop(Given(), lambda _: None, name="tests", max_attempts=1, retry_seconds=0).is_alive()


def test_a_message_without_a_body_is_refused() -> None:
    with pytest.raises(RefusedError, match="body"):
        handle(Message("1", {}, 1))


def test_settings_name_the_variable_that_is_wrong() -> None:
    assert read_settings({"QUEUE": "orders"}).dead_letters == "orders:dead"
    for name in ("RETRY_SECONDS", "MAX_ATTEMPTS", "PORT"):
        with pytest.raises(ValueError, match=name):
            read_settings({name: "0"})
    with pytest.raises(ValueError, match="QUEUE"):
        read_settings({"QUEUE": ""})
