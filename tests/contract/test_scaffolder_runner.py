"""The runner beside the stock one: templates for what it says and does, run on both, everything that clients see compared.

Statuses, messages and their order, log lines with their colours, redaction, loops, conditions, failures, outputs.
"""

from typing import Any

import pytest
from tests.contract.backend import Backend
from tests.contract.comparison import Answer
from tests.contract.pair import Pair, compare
from tests.contract.tally import ON_PURPOSE, note
from tests.contract.tasks import ENDED, TASKS, Run, create_task, run_task, wait_for_task

SECRET = {"token": "s3cr3t-word"}
RUNS: dict[str, Run] = {
    "conditions": ("conditions", {}, {}),
    "conditions, with a secret": ("conditions", {}, SECRET),
    "loops": ("loops", {}, {}),
    "a loop over a list": ("loop-of", {"over": ["a", 1, True, {"a": 1}, [1, [2]]]}, {}),
    "a loop over an object": ("loop-of", {"over": {"a": 1, "b": "c"}}, {}),
    "a loop over nothing": ("loop-of", {"over": []}, {}),
    "a loop over an empty object": ("loop-of", {"over": {}}, {}),
    "a loop over an undefined value": ("loop-of", {}, {}),
    "a loop over null": ("loop-of", {"over": None}, {}),
    "a loop over a text": ("loop-of", {"over": "text"}, {}),
    "a loop over a text that looks like a list": ("loop-of", {"over": '["a"]'}, {}),
    "a loop over a number": ("loop-of", {"over": 5}, {}),
    "steps without an id": ("gated", {"name": "n", "code": "1"}, {}),
    "an action without input": ("no-pages", {}, {}),
    "an unknown action": ("unknown-action", {}, {}),
    "an input that is refused": ("bad-input", {}, {}),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_tasks_are_run_and_told_of_alike(pair: Pair, run: Run) -> None:
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    if difference := compare(stock, ours):
        pytest.fail(difference, pytrace=False)


INFO = "\x1b[32minfo\x1b[39m: "
REFUSED = "Invalid input passed to action debug:log[0], instance.message is not of a type(s) string"
MISSING = "Missing entity reference or references"
NOT_FOUND = "Entity *** not found"
# What only the stock runner says, and what only ours: rows `error-names`, `shown-secrets`, `null-inputs`, `log-lines`.
SAID: dict[str, tuple[Run, set[str], set[str]]] = {
    "names of errors": (
        ("failures", {}, SECRET),
        {f"Error: {MISSING}", f"Additional error occurred: {MISSING}\nError: {MISSING}"},
        {f"InputError: {MISSING}", f"Additional error occurred: {MISSING}\nInputError: {MISSING}"},
    ),
    "secrets": (
        ("secrets", {"text": "nothing"}, SECRET),
        {f"Error: {NOT_FOUND}", INFO + '{\n  "***": "***"\n}'},
        {f"NotFoundError: {NOT_FOUND}"},
    ),
    "a secret that a value repeats": (
        ("secrets", {"text": "s3cr3t-word"}, SECRET),
        {f"Error: {NOT_FOUND}", INFO + '{\n  "***": "***"\n}'},
        {f"NotFoundError: {NOT_FOUND}"},
    ),
    "a secret of one character": (
        ("secrets", {"text": "x"}, {"token": "x"}),
        {f"Error: {NOT_FOUND}", INFO + '{\n  "***": "***"\n}'},
        {f"NotFoundError: {NOT_FOUND}"},
    ),
    "a secret with blanks": (
        ("secrets", {"text": "a blank"}, {"token": "  blank  "}),
        {"Error: Entity ***   not found", INFO + '{\n  "***": "***"\n}'},
        {"NotFoundError: Entity ***   not found", INFO + '{\n  "message": "***"\n}'},
    ),
    "a pause": (("inputs", {}, {}), set(), {INFO + "Waiting for 0.005 seconds..."}),
}


@pytest.mark.parametrize(("run", "stock_only", "ours_only"), SAID.values(), ids=SAID)
def test_runs_differ_in_a_few_words_on_purpose(pair: Pair, run: Run, stock_only: set[str], ours_only: set[str]) -> None:
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    assert stock.body["task"] == ours.body["task"]
    assert (said(stock) - said(ours), said(ours) - said(stock)) == (stock_only, ours_only)
    assert len(stock.body["events"]) == len(ours.body["events"]) - (not stock_only)
    note(ON_PURPOSE)


def said(run: Answer) -> set[str]:
    return {event["body"]["message"] for event in run.body["events"]}


def test_null_is_no_value_for_an_input_that_may_be_left_out(pair: Pair) -> None:
    run: Run = ("loop-of", {"over": [None]}, {})
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    assert f"InputError: {REFUSED}" in said(stock)
    assert ours.body["task"]["status"] == "completed"
    note(ON_PURPOSE)


ORDERED = {
    **{name: RUNS[name] for name in ("conditions", "loops", "a loop over a number")},
    **{name: SAID[name][0] for name in ("names of errors", "secrets")},
}


@pytest.mark.parametrize("run", ORDERED.values(), ids=ORDERED)
def test_what_is_said_comes_in_the_same_order(pair: Pair, run: Run) -> None:
    """The stock runner does not wait until a log line is stored: lines of actions are compared as sets above."""
    assert statuses(pair, pair.ours, run) == statuses(pair, pair.stock, run)


def statuses(pair: Pair, backend: Backend, run: Run) -> list[Any]:
    task = create_task(pair, backend, run)
    wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
    events = pair.send(backend, "GET", f"{TASKS}/{task}/events").json()
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    return [
        (event["type"], event["body"].get("stepId"), event["body"].get("status"))
        for event in events
        if not event["body"]["message"].startswith("\x1b")
    ]
