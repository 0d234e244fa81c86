"""Requests made by hypothesis, to both scaffolders, compared whole: lists of tasks, forms that refuse values and secrets,
malformed parameters and bodies. In CI the same examples each time.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract import scaffolder_requests as generated
from tests.contract.cases import Case
from tests.contract.comparison import Answer
from tests.contract.installation import Installation
from tests.contract.pair import Pair, compare, running_pair
from tests.contract.policy import SERVICE_TOKEN
from tests.contract.tally import ON_PURPOSE, note
from tests.contract.tasks import ENDED, TASKS, wait_for_task
from tests.databases import PostgresServer

EXAMPLES = 100
shared_pair = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
# Who creates them (the guest, or a service), and of what.
TASKS_OF_BOTH = [("guest", "trivial"), ("guest", "unknown-action"), ("service", "trivial"), ("guest", "bad-input")] * 3
FAMILIES = {
    "lists of tasks": generated.task_lists,
    "malformed lists of tasks": generated.malformed_lists,
    "malformed positions": generated.malformed_positions,
    "orders of tasks": generated.orders_of_tasks,
    "malformed bodies": generated.malformed_bodies,
    "raw bodies": generated.raw_bodies,
    "values": generated.checked_values,
    "secrets": generated.checked_secrets,
}


@pytest.fixture(scope="module")
def task_pair(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Both backends with the same tasks, made one after the other, and no others."""
    folder = tmp_path_factory.mktemp("task-pair")
    with running_pair(stock_installation, postgres_server.url("postgres"), folder, ("all",)) as pair:
        for number, (creator, template) in enumerate(TASKS_OF_BOTH):
            body = {"templateRef": template, "values": {"number": number}}
            for backend in (pair.stock, pair.ours):
                token = pair.token if creator == "guest" else SERVICE_TOKEN
                answer = backend.request("POST", TASKS, token=token, json=body)
                assert answer.status_code == 201, answer.text
                wait_for_task(pair, backend, answer.json()["id"], lambda content: content["status"] in ENDED)
        yield pair


@pytest.mark.parametrize("cases", FAMILIES.values(), ids=FAMILIES)
def test_generated_requests_are_answered_alike(task_pair: Pair, cases: st.SearchStrategy[Case]) -> None:
    @shared_pair
    @given(cases)
    def ask(case: Case) -> None:
        stock, ours = task_pair.ask(case)
        if stock != ours and known_difference(case, stock, ours):
            note(ON_PURPOSE)
        elif difference := compare(stock, ours):
            pytest.fail(f"{case.id}\n{difference}", pytrace=False)

    ask()


# What schema libraries and runtimes word; the words after them are theirs.
FOREIGN_TEXTS = (
    *("Unexpected token", "Unexpected end of JSON", "Unexpected non-whitespace", "Expected ", "Bad control"),
    "unsupported media",
)


def known_difference(case: Case, stock: Answer, ours: Answer) -> str | None:
    """The row of docs/differences.md by which these answers may differ."""
    said, answered = _error(stock), _error(ours)
    if stock.status == ours.status == 400 and said.get("name") == answered.get("name"):
        is_foreign = str(said.get("message")).startswith(FOREIGN_TEXTS)
        is_own = str(answered.get("message")).startswith(("Request body is", "request/body must be object"))
        if is_foreign and is_own:
            return "error-texts"
    if stock.status == 500 and ours.status == 400 and "Entity reference" in str(answered.get("message")):
        return "malformed-refs"
    return "value-errors" if without_results(stock) == ours else None


def without_results(answer: Answer) -> Answer:
    """Without the results within errors of `allOf`, which hold all values once more."""
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get("errors"), list):
        return answer
    return Answer(answer.status, answer.headers, _sorted(_without_results(answer.body)))


def _without_results(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_results(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_results(item) for name, item in value.items()}
    if value.get("name") == "allOf" and isinstance(kept.get("argument"), dict):
        kept["argument"].pop("valid", None)
    return kept


def _sorted(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "errors": sorted(body["errors"], key=lambda item: json.dumps(item, sort_keys=True))}


def _error(answer: Answer) -> dict[str, Any]:
    error = answer.body.get("error", {}) if isinstance(answer.body, dict) else {}
    return dict(error) if isinstance(error, dict) else {}
