"""The scaffolder answers and runs as the stock one does: forms, refusals, tasks and their events, compared whole."""

import json
from typing import Any

import pytest
from tests.contract.backend import Backend
from tests.contract.cases import Case, load_cases
from tests.contract.comparison import normalise
from tests.contract.pair import Pair
from tests.contract.tally import ON_PURPOSE, note
from tests.contract.tasks import ENDED, TASKS, Run, cancel_task, create_task, run_task, task_of, wait_for_task

CASES = load_cases("scaffolder")


@pytest.mark.parametrize("case", [case for case in CASES if not case.differs], ids=lambda case: case.id)
def test_answers_are_the_same(pair: Pair, case: Case) -> None:
    if difference := pair.difference(case):
        pytest.fail(f"{case.id}\n{difference}", pytrace=False)


@pytest.mark.parametrize("case", [case for case in CASES if case.differs], ids=lambda case: case.id)
def test_answers_differ_on_purpose(pair: Pair, case: Case) -> None:
    stock, ours = pair.ask(case)
    assert stock != ours, "they are the same by now: take `differs` out of the list, and the row of docs/differences.md"
    assert ours.status == case.ours["status"]
    assert case.ours.get("text", "") in "\n".join(ours.lines())
    note(ON_PURPOSE)


def test_templates_have_the_same_filters_and_globals(pair: Pair) -> None:
    def names(backend: Backend) -> dict[str, Any]:
        content = pair.send(backend, "GET", "/api/scaffolder/v2/templating-extensions").json()
        known = content["globals"]
        return {"filters": sorted(content["filters"]), **{kind: sorted(known[kind]) for kind in sorted(known)}}

    assert names(pair.ours) == names(pair.stock)


RUNS: dict[str, Run] = {
    "one step": ("trivial", {}, {}),
    "two pages, a secret, a loop": (
        "params",
        {"name": "ok", "count": 2, "owner": "group:default/platform", "list": ["a", "b"]},
        {"apiKey": "supersecret"},
    ),
    "a condition that holds, an empty loop": (
        "params",
        {"name": "web", "kind": "website", "owner": "user:bob", "list": []},
        {"apiKey": "supersecret"},
    ),
    "an unknown action": ("unknown-action", {}, {}),
    "an input that is refused": ("bad-input", {}, {}),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_tasks_run_alike(pair: Pair, run: Run) -> None:
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    if difference := stock.difference(ours, ("stock", "understage")):
        pytest.fail(difference, pytrace=False)


def stream(pair: Pair, backend: Backend, task: str) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """The event stream to its end: its content type, and (event name, data) of each message."""
    answer = pair.send(backend, "GET", f"{TASKS}/{task}/eventstream", headers={"accept": "text/event-stream"})
    assert answer.status_code == 200
    messages = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            messages.append((fields["event"], json.loads(fields["data"])))
    return answer.headers["content-type"], messages


def test_an_event_stream_tells_the_same_and_ends(pair: Pair) -> None:
    told = []
    for backend in (pair.stock, pair.ours):
        content_type, messages = stream(pair, backend, create_task(pair, backend, RUNS["one step"]))
        assert messages[-1][0] == "completion"
        assert all(event == data["type"] for event, data in messages)
        assert [data["id"] for _, data in messages] == sorted(data["id"] for _, data in messages)
        told.append(
            (
                content_type.partition(";")[0],
                sorted((event, data["body"]["message"], *data) for event, data in messages),
            )
        )
    assert told[0] == told[1]


def test_a_running_task_is_cancelled(pair: Pair) -> None:
    """The same answers and the same end; how the steps are told about is in test_differences.py."""
    stock, ours = (cancel_task(pair, backend) for backend in (pair.stock, pair.ours))
    for one, other in zip(stock.answers, ours.answers, strict=True):
        if difference := one.difference(other, ("stock", "understage")):
            pytest.fail(difference, pytrace=False)
    assert stock.end.body["task"] == ours.end.body["task"]


def test_a_failed_task_is_retried(pair: Pair) -> None:
    answers = []
    for backend in (pair.stock, pair.ours):
        task = create_task(pair, backend, RUNS["an input that is refused"])
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
        retried = normalise(pair.send(backend, "POST", f"{TASKS}/{task}/retry", json={"secrets": {}}), backend.url)
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
        answers.append((retried, task_of(pair, backend, task)))
    for stock, ours in zip(*answers, strict=True):
        if difference := stock.difference(ours, ("stock", "understage")):
            pytest.fail(difference, pytrace=False)


def test_lists_of_tasks(pair: Pair) -> None:
    """As the task list's page asks; both have run the same tasks by now."""
    owned = f"{TASKS}?createdBy=user%3Adefault%2Fguest&limit=1&offset=0"
    for backend in (pair.stock, pair.ours):
        task = create_task(pair, backend, RUNS["one step"])
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
    stock, ours = (normalise(pair.send(backend, "GET", owned), backend.url).body for backend in (pair.stock, pair.ours))
    assert stock["tasks"] == ours["tasks"]
    assert stock.keys() == ours.keys()


def test_every_stock_action_is_there_with_the_same_fields(pair: Pair) -> None:
    stock, ours = (
        {action["id"]: action["schema"] for action in pair.send(backend, "GET", "/api/scaffolder/v2/actions").json()}
        for backend in (pair.stock, pair.ours)
    )
    assert len(stock) > 10
    assert stock.keys() <= ours.keys()
    for action, schema in stock.items():
        for part in ("input", "output"):
            described = fields_of(schema.get(part, {}))  # the stock backend leaves some outputs out
            assert not described or fields_of(ours[action].get(part, {})) == described, f"{part} of {action}"


def fields_of(schema: dict[str, Any]) -> set[str]:
    """The members that a schema knows, in any of its variants."""
    variants = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return set(schema.get("properties", {})).union(*map(fields_of, variants))
