"""Both scaffolders under the same decisions about permissions: forms, tasks, steps, actions, lists and refusals are the same."""

from typing import Any

import httpx
import pytest
from tests.contract.backend import Backend, at_rest
from tests.contract.cases import Case
from tests.contract.comparison import Answer
from tests.contract.pair import Pair, compare
from tests.contract.policy import DENY, SERVICE_TOKEN, scaffolder_decision
from tests.contract.tasks import ENDED, TASKS, create_task, run_task, wait_for_task

SCAFFOLDER = "/api/scaffolder"
CONDITIONS = f"{SCAFFOLDER}/.well-known/backstage/permissions/apply-conditions"
TEMPLATE, ACTION, TASK = "scaffolder-template", "scaffolder-action", "scaffolder-task"
PAGES, STEPS = "scaffolder.template.parameter.read", "scaffolder.template.step.read"
GATED = ("gated", {"name": "n", "code": "1"}, {})


def rule(resource_type: str, name: str, **params: Any) -> dict[str, Any]:
    return {"rule": name, "resourceType": resource_type, "params": params}


def tag(name: str) -> dict[str, Any]:
    return rule(TEMPLATE, "HAS_TAG", tag=name)


def case(method: str, path: str, **options: Any) -> Case:
    return Case(f"{method} {path}", method, path if path.startswith("/api") else SCAFFOLDER + path, options)


def expect_the_same(pair: Pair, *cases: Case) -> None:
    for one in cases:
        if difference := compare(*pair.ask(one)):
            pytest.fail(f"{one.id}\n{difference}", pytrace=False)


def expect_the_same_run(pair: Pair, run: tuple[str, dict[str, Any], dict[str, str]]) -> Answer:
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    if difference := compare(stock, ours):
        pytest.fail(difference, pytrace=False)
    return ours


TAGS: dict[str, Any] = {
    "nothing": DENY,
    "a tag": scaffolder_decision(TEMPLATE, tag("secret")),
    "another of its tags": scaffolder_decision(TEMPLATE, tag("other")),
    "all but a tag": scaffolder_decision(TEMPLATE, {"not": tag("secret")}),
    "one of two": scaffolder_decision(TEMPLATE, {"anyOf": [tag("third"), tag("secret")]}),
    "both": scaffolder_decision(TEMPLATE, {"allOf": [tag("other"), tag("secret")]}),
}


@pytest.mark.parametrize("allowed", TAGS.values(), ids=TAGS)
def test_pages_and_steps_are_shown_to_those_who_may_see_them(pair: Pair, allowed: dict[str, Any]) -> None:
    form = "/v2/templates/default/template/{}/parameter-schema"
    with pair.policy.deciding({PAGES: allowed, STEPS: allowed}):
        expect_the_same(pair, case("GET", form.format("gated")), case("GET", form.format("one-page")))
        body = {"templateRef": "template:default/gated", "values": {"code": "no number"}}
        expect_the_same(pair, case("POST", TASKS, json=body))
    with pair.policy.deciding({STEPS: allowed}):
        expect_the_same_run(pair, GATED)


BROKEN = {
    "an unknown rule": (rule(TEMPLATE, "NOPE"), rule(ACTION, "NOPE"), rule(TASK, "NOPE")),
    "bad parameters": (
        rule(TEMPLATE, "HAS_TAG", tag=1),
        rule(ACTION, "HAS_ACTION_ID"),
        rule(TASK, "IS_TASK_OWNER", createdBy="user:default/guest"),
    ),
    "a rule of another type": (
        rule(TASK, "IS_TASK_OWNER", createdBy=[]),
        rule(TEMPLATE, "HAS_TAG", tag="x"),
        rule(ACTION, "HAS_ACTION_ID", actionId="x"),
    ),
}


@pytest.mark.parametrize("rules", BROKEN.values(), ids=BROKEN)
def test_rules_that_cannot_be_applied_fail_and_allow_nothing(pair: Pair, rules: tuple[Any, Any, Any]) -> None:
    page, action, owner = rules
    run_task(pair, pair.ours, ("trivial", {}, {}))
    decisions = {
        PAGES: scaffolder_decision(TEMPLATE, page),
        "scaffolder.task.read": scaffolder_decision(TASK, owner),
        "scaffolder.action.execute": scaffolder_decision(ACTION, action),
    }
    asked = case("GET", "/v2/templates/default/template/gated/parameter-schema"), case("GET", TASKS)
    with pair.policy.deciding(decisions):
        for one in asked:
            stock, ours = pair.ask(one)
            assert (stock.status, start_of_message(stock)) == (ours.status, start_of_message(ours))
    with pair.policy.deciding({"scaffolder.action.execute": decisions["scaffolder.action.execute"]}):
        for backend in (pair.stock, pair.ours):
            assert run_task(pair, backend, ("trivial", {}, {})).body["task"]["status"] == "failed"


def start_of_message(answer: Answer) -> str:
    """Without what a schema library says."""
    return str(answer.body["error"]["message"]).partition("; caused by")[0]


def having(kind: str, key: str, *value: Any) -> dict[str, Any]:
    return rule(ACTION, f"HAS_{kind}_PROPERTY", key=key, **({"value": value[0]} if value else {}))


ACTIONS: dict[str, Any] = {
    "nothing": DENY,
    "an action": scaffolder_decision(ACTION, rule(ACTION, "HAS_ACTION_ID", actionId="debug:wait")),
    "all but an action": scaffolder_decision(ACTION, {"not": rule(ACTION, "HAS_ACTION_ID", actionId="debug:log")}),
    "a text": scaffolder_decision(ACTION, having("STRING", "message")),
    "this text": scaffolder_decision(ACTION, having("STRING", "message", "Hello World")),
    "this text in another case": scaffolder_decision(ACTION, having("STRING", "message", "hello world")),
    "a number": scaffolder_decision(ACTION, having("NUMBER", "milliseconds")),
    "this number": scaffolder_decision(ACTION, having("NUMBER", "milliseconds", 5)),
    "another number": scaffolder_decision(ACTION, having("NUMBER", "milliseconds", 6)),
    "a boolean": scaffolder_decision(ACTION, having("BOOLEAN", "listWorkspace")),
    "this boolean": scaffolder_decision(ACTION, having("BOOLEAN", "listWorkspace", True)),
    "another boolean": scaffolder_decision(ACTION, having("BOOLEAN", "listWorkspace", False)),
    "a number that is a boolean": scaffolder_decision(ACTION, having("NUMBER", "listWorkspace")),
    "an item of a list": scaffolder_decision(ACTION, having("STRING", "files[1]", "b.txt")),
    "an item by its name": scaffolder_decision(ACTION, having("STRING", "files.0", "a.txt")),
    "the length of a list": scaffolder_decision(ACTION, having("NUMBER", "files.length", 2)),
    "a value of another type": scaffolder_decision(ACTION, having("STRING", "message", 1)),
    "either": scaffolder_decision(
        ACTION, {"anyOf": [having("STRING", "message"), {"not": having("NUMBER", "milliseconds")}]}
    ),
}


@pytest.mark.parametrize("allowed", ACTIONS.values(), ids=ACTIONS)
def test_actions_are_run_for_those_who_may_run_them(pair: Pair, allowed: dict[str, Any]) -> None:
    with pair.policy.deciding({"scaffolder.action.execute": allowed}):
        stock, ours = (told(run_task(pair, backend, ("inputs", {}, {}))) for backend in (pair.stock, pair.ours))
    assert stock == ours


def told(run: Answer) -> tuple[str, list[str]]:
    """Status of the task, and the first line of what the runner says; what actions and a schema library say left out."""
    lines = [str(event["body"].get("message")).partition("\n")[0] for event in run.body["events"]]
    said = [line.partition("; caused by")[0] for line in lines if not line.startswith("\x1b")]
    return run.body["task"]["status"], sorted(said)


OWNERS: dict[str, Any] = {
    "nothing": DENY,
    "one's own": scaffolder_decision(TASK, rule(TASK, "IS_TASK_OWNER", createdBy=["user:default/guest"])),
    "somebody's": scaffolder_decision(TASK, rule(TASK, "IS_TASK_OWNER", createdBy=["user:default/other"])),
    "nobody's": scaffolder_decision(TASK, rule(TASK, "IS_TASK_OWNER", createdBy=[])),
    "others'": scaffolder_decision(TASK, {"not": rule(TASK, "IS_TASK_OWNER", createdBy=["user:default/guest"])}),
}


@pytest.mark.parametrize("permission", ["scaffolder.task.read", "scaffolder.task.cancel"])
@pytest.mark.parametrize("allowed", OWNERS.values(), ids=OWNERS)
def test_tasks_are_seen_and_cancelled_by_those_who_may(pair: Pair, permission: str, allowed: dict[str, Any]) -> None:
    tasks = []
    for backend in (pair.stock, pair.ours):
        tasks.append(create_task(pair, backend, ("trivial", {}, {})))
        wait_for_task(pair, backend, tasks[-1], lambda content: content["status"] in ENDED)
    requests = [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")]
    with pair.policy.deciding({permission: allowed}):
        for method, path in requests:
            stock, ours = (
                pair.send(backend, method, f"{TASKS}/{task}{path}", json={} if method == "POST" else None)
                for backend, task in zip((pair.stock, pair.ours), tasks, strict=True)
            )
            answers = [without_ids(answer) for answer in pair.normalised(stock, ours)]
            if difference := compare(*answers):
                pytest.fail(f"{method} {path}\n{difference}", pytrace=False)
        lists = [pair.send(backend, "GET", f"{TASKS}?limit=0") for backend in (pair.stock, pair.ours)]
        assert lists[0].status_code == lists[1].status_code
        if lists[0].status_code == 200:
            assert (lists[0].json()["totalTasks"] > 0) == (lists[1].json()["totalTasks"] > 0)
    for backend, task in zip((pair.stock, pair.ours), tasks, strict=True):
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)


def without_ids(answer: Answer) -> Answer:
    """Events are numbered over all tasks."""
    if not isinstance(answer.body, list):
        return answer
    events = [{name: value for name, value in event.items() if name != "id"} for event in answer.body]
    return Answer(answer.status, answer.headers, sorted(events, key=str))


REFUSED = {
    "scaffolder.task.create": [
        case("POST", TASKS, json={"templateRef": "template:default/nope", "values": {}}),
        case("POST", "/v2/dry-run", json={"template": {}, "values": {}, "directoryContents": []}),
    ],
    "scaffolder.template.dry-run": [
        case("POST", "/v2/dry-run", json={"template": {}, "values": {}, "directoryContents": []}),
        case("GET", "/.well-known/backstage/permissions/metadata"),
    ],
}


@pytest.mark.parametrize("permission", REFUSED)
def test_what_is_denied_is_refused_alike(pair: Pair, permission: str) -> None:
    with pair.policy.deciding({permission: DENY}):
        expect_the_same(pair, *REFUSED[permission])


def test_the_permission_backend_asks_about_tasks(pair: Pair) -> None:
    service = {"authorization": f"Bearer {SERVICE_TOKEN}"}

    def ask(backend: Any, refs: Any, conditions: Any, resource_type: str = TASK, **question: Any) -> Any:
        item = {"id": "1", "resourceRef": refs, "resourceType": resource_type, "conditions": conditions, **question}
        return backend.request("POST", CONDITIONS, json={"items": [item]}, headers=service)

    tasks = {backend.name: create_task(pair, backend, ("trivial", {}, {})) for backend in (pair.stock, pair.ours)}
    mine = rule(TASK, "IS_TASK_OWNER", createdBy=["user:default/guest"])
    for conditions in (mine, {"not": mine}, {"allOf": [mine, {"anyOf": [mine, {"not": mine}]}]}):
        for many in (False, True):
            answers = [
                ask(backend, [tasks[backend.name]] * 2 if many else tasks[backend.name], conditions)
                for backend in (pair.stock, pair.ours)
            ]
            assert not compare(*pair.normalised(*answers))
    nobody = "00000000-0000-0000-0000-000000000000"
    for refs, resource_type in ((nobody, TASK), ("x", TEMPLATE), ("x", ACTION), ("x", "foo")):
        answers = [ask(backend, refs, mine, resource_type) for backend in (pair.stock, pair.ours)]
        assert not compare(*pair.normalised(*answers)), (refs, resource_type)
    for backend in (pair.stock, pair.ours):
        assert pair.send(backend, "POST", CONDITIONS, json={"items": []}).status_code == 403


def ended(backend: Backend, path: str) -> httpx.Response | None:
    answer = backend.request("GET", path, token=SERVICE_TOKEN)
    return answer if answer.json()["status"] in ENDED else None


def test_a_service_is_not_asked_about_and_creates_tasks_of_nobody(pair: Pair) -> None:
    body = {"templateRef": "template:default/trivial", "values": {}}
    ends = []
    with pair.policy.deciding(dict.fromkeys(("scaffolder.task.create", "scaffolder.task.read", PAGES, STEPS), DENY)):
        for backend in (pair.stock, pair.ours):
            created = backend.request("POST", TASKS, json=body, token=SERVICE_TOKEN)
            assert created.status_code == 201
            path = f"{TASKS}/{created.json()['id']}"
            ends.append(at_rest(lambda path=path, backend=backend: ended(backend, path), quiet=0))
    stock, ours = pair.normalised(ends[0], ends[1])
    assert not compare(stock, ours)
    assert "createdBy" not in ours.body
    assert "ref" not in ours.body["spec"]["user"]
