"""The scaffolder's actions for other backends beside the stock ones, and what a template makes of other plugins' actions."""

import json
from typing import Any

import pytest
from tests.contract.backend import Backend
from tests.contract.pair import Pair
from tests.contract.tasks import ENDED, Run, run_task, wait_for_task
from tests.contract.test_catalog_actions import without_descriptions

ACTIONS = "/api/scaffolder/.backstage/actions/v1/actions"
IDS = [
    "scaffolder:list-scaffolder-tasks",
    "scaffolder:dry-run-template",
    "scaffolder:list-scaffolder-actions",
    "scaffolder:execute-template",
    "scaffolder:get-scaffolder-task-logs",
]
REMOTE: Run = ("remote", {"kind": "component", "name": "artist-web"}, {})


def invoke(pair: Pair, backend: Backend, name: str, input: Any) -> Any:
    answer = pair.send(backend, "POST", f"{ACTIONS}/scaffolder:{name}/invoke", json=input)
    assert answer.status_code == 200, answer.text
    return answer.json()["output"]


def test_actions_attributes_and_schemas_are_the_same(pair: Pair) -> None:
    stock, ours = (
        without_descriptions(pair.send(backend, "GET", ACTIONS).json()["actions"])
        for backend in (pair.stock, pair.ours)
    )
    assert [action["id"] for action in ours] == IDS
    assert ours == stock


def test_a_template_is_executed_listed_and_its_log_told(pair: Pair) -> None:
    def walk(backend: Backend) -> list[Any]:
        order = {"templateRef": "trivial", "values": {}, "secrets": {"token": "a-secret"}}
        [(name, task)] = invoke(pair, backend, "execute-template", order).items()
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
        listed = invoke(pair, backend, "list-scaffolder-tasks", {"owned": True, "status": "completed", "limit": 1})
        [shown] = listed["tasks"]
        assert shown["id"] == task
        events = invoke(pair, backend, "get-scaffolder-task-logs", {"taskId": task})["events"]
        later = invoke(pair, backend, "get-scaffolder-task-logs", {"taskId": task, "after": 10**6})["events"]
        told = sorted((event["type"], *event, json.dumps(event["body"], sort_keys=True)) for event in events)
        return [name, sorted(shown), shown["status"], shown["spec"]["steps"], told, [event["type"] for event in later]]

    assert walk(pair.ours) == walk(pair.stock)


def test_actions_of_all_kinds_are_listed(pair: Pair) -> None:
    def listed(backend: Backend) -> dict[str, Any]:
        actions = invoke(pair, backend, "list-scaffolder-actions", {})["actions"]
        return {action["id"]: (sorted(action), sorted(action["schema"])) for action in actions}

    stock, ours = listed(pair.stock), listed(pair.ours)
    assert stock.items() <= ours.items()
    assert {"debug:log", "catalog:get-catalog-entity", *IDS} <= ours.keys()


def test_the_actions_of_other_plugins_are_those_of_templates_too(pair: Pair) -> None:
    def listed(backend: Backend) -> dict[str, Any]:
        actions = pair.send(backend, "GET", "/api/scaffolder/v2/actions").json()
        return {action["id"]: action for action in without_descriptions(actions) if "examples" not in action}

    stock, ours = listed(pair.stock), listed(pair.ours)
    remote = [action for action in stock if action.startswith("scaffolder:") or "catalog-" in action]
    assert set(remote) >= {*IDS, "catalog:get-catalog-entity"}
    for action in remote:
        # Both leave out the description of what is described in words of its own.
        assert ours[action] == stock[action]


def test_steps_call_the_actions_of_other_plugins(pair: Pair) -> None:
    stock, ours = (run_task(pair, backend, REMOTE) for backend in (pair.stock, pair.ours))
    assert ours.body["task"]["status"] == "completed"
    assert '"names": ["Component"]' in json.dumps(ours.body["events"])
    if difference := stock.difference(ours, ("stock", "understage")):
        pytest.fail(difference, pytrace=False)


@pytest.mark.parametrize("wrong", [1, "nothing-of-this-name"])
def test_steps_fail_with_what_another_plugin_says(pair: Pair, wrong: Any) -> None:
    """What the schema refuses is refused before the call, in the same words; else ours adds what the plugin said."""
    template, values, secrets = REMOTE
    run: Run = (template, {**values, "wrong": wrong}, secrets)
    stock, ours = (_failure(run_task(pair, backend, run).body["events"]) for backend in (pair.stock, pair.ours))
    assert ours["name"] == stock["name"]
    assert ours["message"].startswith(stock["message"])


def _failure(events: list[dict[str, Any]]) -> dict[str, Any]:
    [completion] = [event["body"] for event in events if event["type"] == "completion"]
    error: dict[str, Any] = completion["error"]
    return error
