"""The sample of `new-worker` as a process, with a real Redis (Debian's redis-server): its tests, retries, dead letters, stops."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError
from tests.unit.skeletons.samples import collecting, free_port, need, run_tool, spans_of, started
from tests.unit.skeletons.test_new_worker import write

QUEUE, GROUP, DEAD = "mail:outgoing", "mailer", "mail:outgoing:dead"
COMMAND = [sys.executable, "-m", "worker"]
# What a team would write into its place: it says when it begins and ends, and does what the message says.
WORK = """
import json, os, time
from worker.queue import Message


class RefusedError(Exception):
    pass


def handle(message: Message) -> None:
    asked = json.loads(message.fields["body"])
    say(f"begin {asked['name']}")
    time.sleep(asked.get("seconds", 0))
    if asked.get("dies"):
        os._exit(9)
    if asked.get("fails"):
        raise ValueError("broken")
    if asked.get("refused"):
        raise RefusedError("never")
    say(f"end {asked['name']}")


def say(line):
    with open(os.environ["SAID"], "a") as file:
        file.write(line + "\\n")
"""


class Broker:
    """A Redis of its own, that can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [need("redis-server", "run the worker"), "--bind", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--save", "", "--dir", str(folder)]
        self.client = Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "redis to answer")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except NoConnectionError:
            return False

    def send(self, name: str, **asked: object) -> str:
        identity: bytes = self.client.xadd(QUEUE, {"body": json.dumps({"name": name, **asked})})
        return identity.decode()

    def dead(self) -> list[tuple[str, str, str]]:
        """Name, tries and reason of each dead letter."""
        return [
            (json.loads(fields[b"body"])["name"], fields[b"dead:attempts"].decode(), fields[b"dead:reason"].decode())
            for _, fields in self.client.xrange(DEAD)
        ]

    def is_handled(self) -> bool:
        """Whether it is empty, and the group is there again."""
        return bool(self.client.xinfo_groups(QUEUE)) and self.is_empty()

    def is_empty(self) -> bool:
        return self.client.xlen(QUEUE) == 0 and self.client.xpending(QUEUE, GROUP)["pending"] == 0


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path)
    yield found
    found.client.close()
    found.end()


@pytest.fixture(scope="module")
def written(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(write(tmp_path_factory.mktemp("written"), helm_binary))


@pytest.fixture
def worker(written: Path, tmp_path: Path) -> Path:
    """A repository of its own."""
    return Path(shutil.copytree(written, tmp_path / "worker"))


class Said:
    """What the work of a test said."""

    def __init__(self, worker: Path) -> None:
        (worker / "worker/work.py").write_text(WORK)
        self.path = worker / "said.txt"
        self.path.touch()

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def wait_for(self, line: str, count: int = 1) -> None:
        wait_until(lambda: self.lines().count(line) >= count, f"{line!r}, and it said {self.lines()}")


@pytest.fixture
def said(worker: Path) -> Said:
    return Said(worker)


@contextmanager
def working(worker: Path, broker: Broker, said: Said, **environment: str) -> Iterator[str]:
    known = {"REDIS_URL": broker.url, "SAID": str(said.path), "RETRY_SECONDS": "1", "HOSTNAME": "mailer-0"}
    with started(COMMAND, worker, **known | environment) as url:
        yield url


def test_its_own_tests_pass_with_a_redis(worker: Path, broker: Broker) -> None:
    # Warnings are errors, and so is a test that was skipped for want of a Redis.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--junit-xml=report.xml"]
    run_tool(*command, folder=worker, TEST_REDIS_URL=broker.url)
    assert 'skipped="0"' in (worker / "report.xml").read_text()


def test_the_sample_as_it_is_handles_messages_and_serves_metrics_and_traces(worker: Path, broker: Broker) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    # Sent before there was a worker.
    broker.client.xadd(QUEUE, {"body": "{}", "traceparent": caller})
    broker.client.xadd(QUEUE, {"text": "no body"})
    with collecting() as (endpoint, received):
        with started(COMMAND, worker, REDIS_URL=broker.url, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as url:
            wait_until(lambda: broker.client.xlen(DEAD) == 1 and broker.is_empty(), "both messages")
            assert httpx.get(f"{url}/health").json() == {"status": "ok"}
            assert httpx.get(f"{url}/").status_code == 404
            metrics = httpx.get(f"{url}/metrics")
    counts = {
        (sample.name, sample.labels.get("error_type")): sample.value
        for family in text_string_to_metric_families(metrics.text)
        for sample in family.samples
        if sample.labels.get("messaging_destination_name") == QUEUE
    }
    assert counts["messaging_process_duration_seconds_count", ""] == 1
    assert counts["messaging_process_duration_seconds_count", "RefusedError"] == 1
    assert counts["messaging_dead_letters_total", None] == 1
    spans = spans_of(received)
    assert {about["service.name"] for about, _ in spans} == {"mailer"}
    traced = [span for _, span in spans if span.parent_span_id.hex() == "b7ad6b7169203331"]
    assert [(span.name, span.kind) for span in traced] == [(f"process {QUEUE}", spans[0][1].SPAN_KIND_CONSUMER)]


def test_what_fails_is_tried_again_and_then_is_a_dead_letter(worker: Path, broker: Broker, said: Said) -> None:
    with working(worker, broker, said, MAX_ATTEMPTS="2"):
        broker.send("bad", fails=True)
        broker.send("never", refused=True)
        broker.send("good")
        # Those behind it do not wait for it.
        said.wait_for("end good")
        wait_until(lambda: len(broker.dead()) == 2, "the dead letters")
        wait_until(broker.is_empty, "the queue to be empty")
    assert broker.dead() == [("never", "1", "never"), ("bad", "2", "ValueError: broken")]
    assert said.lines().count("begin bad") == 2


def test_a_stop_finishes_the_message_at_hand_and_takes_no_other(worker: Path, broker: Broker, said: Said) -> None:
    with working(worker, broker, said, RETRY_SECONDS="60"):
        broker.send("first", seconds=2)
        said.wait_for("begin first")
        broker.send("second")
    # `started` sent SIGTERM while the first was at hand, and saw the process end well.
    assert said.lines() == ["begin first", "end first"]
    assert broker.client.xlen(QUEUE) == 1
    assert broker.client.xpending(QUEUE, GROUP)["pending"] == 0
    assert broker.client.xinfo_consumers(QUEUE, GROUP) == []
    with working(worker, broker, said):
        said.wait_for("end second")


def test_another_takes_over_what_a_killed_one_had(worker: Path, broker: Broker, said: Said) -> None:
    broker.send("long", seconds=1)
    environment = {"REDIS_URL": broker.url, "SAID": str(said.path), "PORT": str(free_port()), "HOSTNAME": "mailer-0"}
    killed = subprocess.Popen(COMMAND, cwd=worker, env=environment, stderr=subprocess.DEVNULL)
    said.wait_for("begin long")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert broker.client.xpending(QUEUE, GROUP)["pending"] == 1
    with working(worker, broker, said, HOSTNAME="mailer-1", RETRY_SECONDS="2"):
        said.wait_for("end long")
        wait_until(broker.is_empty, "the queue to be empty")
    assert said.lines() == ["begin long", "begin long", "end long"]


def test_a_message_that_ends_the_process_each_time_does_not_do_so_for_ever(
    worker: Path, broker: Broker, said: Said
) -> None:
    broker.send("poison", dies=True)
    environment = {"REDIS_URL": broker.url, "SAID": str(said.path), "RETRY_SECONDS": "1", "MAX_ATTEMPTS": "2"}
    for _ in range(2):
        ended = subprocess.run(
            COMMAND,
            cwd=worker,
            env=environment | {"PORT": str(free_port()), "HOSTNAME": "mailer-0"},
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 9
    with working(worker, broker, said, MAX_ATTEMPTS="2"):
        wait_until(lambda: broker.client.xlen(DEAD) == 1, "the dead letter")
    assert broker.dead() == [("poison", "3", "the worker ended each time")]
    assert said.lines() == ["begin poison"] * 2


def test_it_goes_on_after_redis_was_away_and_lost_everything(worker: Path, broker: Broker, said: Said) -> None:
    with working(worker, broker, said) as url:
        broker.send("before")
        said.wait_for("end before")
        broker.end()
        wait_until(lambda: "does not answer" in (worker / "sample.log").read_text(), "it to notice")
        # Starting it again would not bring Redis back.
        assert httpx.get(f"{url}/health").status_code == 200
        broker.start()
        broker.send("after")
        said.wait_for("end after")


def test_it_is_unhealthy_while_it_is_stuck_in_a_message(worker: Path, broker: Broker, said: Said) -> None:
    with working(worker, broker, said, RETRY_SECONDS="2") as url:
        broker.send("slow", seconds=5)
        said.wait_for("begin slow")
        wait_until(lambda: httpx.get(f"{url}/health").status_code == 503, "it to say so")
        said.wait_for("end slow")
        wait_until(lambda: httpx.get(f"{url}/health").status_code == 200, "it to go round again")


@pytest.mark.timeout(900)  # where nothing is compiled yet
def test_in_go_its_tests_pass_and_it_handles_messages(helm_binary: Path, tmp_path: Path, broker: Broker) -> None:
    go = need("go", "build the worker in Go")
    (tmp_path / "go").mkdir()
    worker = asyncio.run(write(tmp_path / "go", helm_binary, language="go"))
    for command in (["vet", "./..."], ["test", "./..."], ["build", "-o", "mailer", "."]):
        run_tool(go, *command, folder=worker, TEST_REDIS_URL=broker.url)
    broker.client.xadd(QUEUE, {"body": b"\xff"})
    broker.client.xadd(QUEUE, {"text": "no body"})
    with started([str(worker / "mailer")], worker, REDIS_URL=broker.url, HOSTNAME="mailer-0") as url:
        wait_until(lambda: broker.client.xlen(DEAD) == 1 and broker.is_empty(), "both messages")
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        metrics = httpx.get(f"{url}/metrics").text
        broker.end()
        wait_until(lambda: "does not answer" in (worker / "sample.log").read_text(), "it to notice")
        assert httpx.get(f"{url}/health").status_code == 200
        broker.start()
        broker.client.xadd(QUEUE, {"body": "after"})
        wait_until(broker.is_handled, "the message after")
    assert f'messaging_process_duration_seconds_count{{error_type="",messaging_destination_name="{QUEUE}"}} 1' in metrics
    assert f'messaging_dead_letters_total{{messaging_destination_name="{QUEUE}"}} 1' in metrics
    # It ended well, and left the group.
    assert broker.client.xinfo_consumers(QUEUE, GROUP) == []


def test_an_environment_that_is_wrong_ends_it_at_once_and_names_the_variable(worker: Path) -> None:
    ran = subprocess.run(
        COMMAND, cwd=worker, env={"RETRY_SECONDS": "soon"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (
        2,
        "ERROR the environment is wrong: RETRY_SECONDS is no number above 0: soon\n",
    )
