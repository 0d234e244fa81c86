"""The scaffolder answers and runs as the stock one does: forms, refusals, tasks and their events, compared whole."""

from typing import Any

import pytest
from tests.contract.backend import Backend
from tests.contract.cases import Case, load_cases
from tests.contract.pair import Pair
from tests.contract.tasks import Run, run_task

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
