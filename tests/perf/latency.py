"""How long answers take, of one connection and of eight at once, and what they cost in memory."""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.perf import memory
from tests.perf.connection import Connection
from tests.perf.questions import Question
from tests.perf.servers import Server

CONNECTIONS = 8


@dataclass(frozen=True)
class Figures:
    """Of some rounds: the least (of rates the highest) and the median."""

    least: float
    median: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figures":
        return cls(min(values), statistics.median(values))


@dataclass(frozen=True)
class Times:
    """Milliseconds: the median and the 95th percentile of each round, summed up over the rounds. `size` in bytes.

    `cpu` is the processor time of an answer, the database's part included, which a busy machine changes much less.
    """

    middle: Figures
    p95: Figures
    cpu: Figures
    first_byte: float
    size: int


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest of the values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def ask(server: Server, database_pid: int, question: Question, rounds: int) -> Times:
    """One client, one question after the other."""
    middles, p95s, cpu, first_bytes = [], [], [], []
    with server.connect() as connection:
        requests = question.requests(connection)
        size = _send(connection, requests[0])
        for _ in range(rounds):
            taken = []
            used = _processor_time(server, database_pid)
            for number in range(question.repeat):
                began = time.perf_counter()
                _send(connection, requests[number % len(requests)])
                taken.append((time.perf_counter() - began) * 1000)
                first_bytes.append(connection.first_byte * 1000)
            cpu.append((_processor_time(server, database_pid) - used) * 1000 / question.repeat)
            middles.append(statistics.median(taken))
            p95s.append(percentile(taken, 95))
    return Times(*(Figures.of(values) for values in (middles, p95s, cpu)), statistics.median(first_bytes), size)


def throughput(server: Server, question: Question, seconds: float) -> float:
    """Answers in a second, of eight connections that ask without a pause."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        counts = [pool.submit(_keep_asking, server, question, seconds, number) for number in range(CONNECTIONS)]
        answers = sum(count.result() for count in counts)
        return answers / (time.perf_counter() - began)


def growth(server: Server, question: Question) -> float:
    """By how many megabytes the server's memory rises, at its highest, while it answers."""
    with server.connect() as connection:
        memory.forget_peak(server.pid)
        before = memory.resident(server.pid)
        _send(connection, question.requests(connection)[0])
    return max(0.0, memory.peak(server.pid) - before)


def _processor_time(server: Server, database_pid: int) -> float:
    return memory.cpu_seconds(server.pid) + memory.cpu_seconds(database_pid)


def _keep_asking(server: Server, question: Question, seconds: float, start: int) -> int:
    answers = 0
    with server.connect() as connection:
        requests = question.requests(connection)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _send(connection, requests[(start + answers) % len(requests)])
            answers += 1
    return answers


def _send(connection: Connection, request: bytes) -> int:
    reply = connection.exchange(request)
    assert reply.status == 200, f"{request[:200]!r} was answered {reply.status}"
    return reply.size
