"""Running a task on a backend, and what is comparable of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.backend import Backend
from tests.contract.comparison import Answer, normalise
from tests.contract.pair import Pair

TASKS = "/api/scaffolder/v2/tasks"
ENDED = ("completed", "failed", "cancelled")
SECONDS = 30.0

Run = tuple[str, dict[str, Any], dict[str, str]]
"""Name of the template, values, secrets."""


def run_task(pair: Pair, backend: Backend, run: Run) -> Answer:
    """The task when it has ended, and its events."""
    task = create_task(pair, backend, run)
    wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
    return task_of(pair, backend, task)


def task_of(pair: Pair, backend: Backend, task: str) -> Answer:
    """The task as it is, and its events.

    In the stock backend an event may overtake another: they are compared as a set.
    """
    content = normalise(pair.send(backend, "GET", f"{TASKS}/{task}"), backend.url)
    events = normalise(pair.send(backend, "GET", f"{TASKS}/{task}/events"), backend.url).body
    for event in events:
        event.pop("id")
    events.sort(key=lambda event: json.dumps(event, sort_keys=True))
    return Answer(content.status, content.headers, {"task": content.body, "events": events})


def create_task(pair: Pair, backend: Backend, run: Run) -> str:
    """The id of a new task."""
    template, values, secrets = run
    body = {"templateRef": f"template:default/{template}", "values": values, "secrets": secrets}
    answer = pair.send(backend, "POST", TASKS, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def wait_for_task(pair: Pair, backend: Backend, task: str, reached: Callable[[dict[str, Any]], bool]) -> None:
    """Return when the task is as it should be."""
    deadline = time.monotonic() + SECONDS
    while not reached(content := pair.send(backend, "GET", f"{TASKS}/{task}").json()):
        assert time.monotonic() < deadline, content
        time.sleep(0.1)


@dataclass(frozen=True)
class Cancelled:
    """A task that was cancelled in its first step: the answers to cancelling it, twice, and what became of it."""

    answers: tuple[Answer, Answer]
    end: Answer


def cancel_task(pair: Pair, backend: Backend) -> Cancelled:
    """Start a task whose two steps wait, and cancel it in the first."""
    task = create_task(pair, backend, ("wait", {}, {}))
    wait_for_task(pair, backend, task, lambda content: content["status"] == "processing")
    time.sleep(0.5)  # into the first step
    first = normalise(pair.send(backend, "POST", f"{TASKS}/{task}/cancel", json={}), backend.url)
    wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
    second = normalise(pair.send(backend, "POST", f"{TASKS}/{task}/cancel", json={}), backend.url)
    return Cancelled((first, second), task_of(pair, backend, task))
