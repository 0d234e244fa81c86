"""Where the backends differ on purpose beyond single answers; and docs/differences.md lists exactly what is tested."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.contract.backend import Backend
from tests.contract.cases import listed_differences, load_cases
from tests.contract.comparison import UUID
from tests.contract.installation import Installation
from tests.contract.pair import Pair, running_pair
from tests.contract.tasks import ENDED, TASKS, Run, cancel_task, create_task, run_task, wait_for_task
from tests.databases import PostgresServer

BAD_FILES = ("kinds", "missing-target", "not-there", "placeholders")
# id of the difference: the run, how ours ends, and a text that its events hold
RUNS: dict[str, tuple[Run, str, str]] = {
    "broken-expressions": (
        ("params", {"name": "ok", "owner": "platform", "list": []}, {"apiKey": "supersecret"}),
        "failed",
        "Step always, input.message: Template error",
    ),
    "missing-folders": (("fail", {}, {}), "failed", "NotFoundError: ./nope is no folder beside the template"),
}
# Tested by test_scaffolder_runner.py and test_scaffolder_generated.py.
SCAFFOLDER = {"error-names", "null-inputs", "value-errors"}
STREAMS = {"event-streams"}
FILES = {"failed-locations", "file-placeholders", "status-notes"}
CANCELS = {"cancelled-steps"}
# Tested by tests/store/test_scm_events.py and tests/unit/events: the stock backend here has no events plugin.
EVENTS = {"lost-events", "unsigned-events"}
# Tested by tests/unit/scaffolder/test_log.py: what the stock backend would keep is too much for a test.
LOGS = {"log-bounds"}
# Tested by tests/unit/scaffolder/test_interpreter.py: the stock answer is the link, and the harm is the page's.
LINKS = {"script-links"}
# Tested by tests/store/test_secret_matrix.py, for which the stock backend is no measure.
SECRETS = {"shown-secrets"}
# What is not there has no test: test_scaffolder_checklist.py tells the numbers.
ABSENT = {"rate-limits", "task-topic"}
# Tested by test_action_schemas.py.
SCHEMAS = {"declared-defaults", "dry-forges", "optional-outputs"}
# Tested by tests/unit/actions/test_github.py and test_gitlab.py: no forge answers here.
FORGES = {"failed-pushes", "made-tokens", "new-branches"}
# Tested by tests/cluster/test_undo.py, on a real forge and cluster.
UNDO = {"undone-tasks"}
# Tested by test_catalog_permissions.py.
PERMISSIONS = {"hidden-ancestors", "hidden-origins"}


@pytest.mark.parametrize(("run", "status", "text"), RUNS.values(), ids=RUNS)
def test_tasks_differ_on_purpose(pair: Pair, run: Run, status: str, text: str) -> None:
    stock, ours = (run_task(pair, backend, run) for backend in (pair.stock, pair.ours))
    assert stock != ours
    assert ours.body["task"]["status"] == status
    assert text in json.dumps(ours.body["events"])


def test_a_cancelled_task_tells_of_the_step_that_was_cancelled(pair: Pair) -> None:
    def told(backend: Backend) -> set[tuple[str, str]]:
        bodies = [event["body"] for event in cancel_task(pair, backend).end.body["events"]]
        return {(body["stepId"], body["status"]) for body in bodies if "status" in body and "stepId" in body}

    assert ("w1", "failed") in told(pair.stock)
    assert told(pair.ours) == {("w1", "processing"), ("w1", "cancelled")}


def test_event_streams_have_numbers_and_are_kept_open(pair: Pair) -> None:
    """Compressed for those who ask, too: each event arrives although the stream goes on."""
    streams: dict[str, list[str]] = {}
    for backend in (pair.stock, pair.ours):
        task = create_task(pair, backend, ("wait", {}, {}))
        headers = {"accept": "text/event-stream", "accept-encoding": "gzip", "authorization": f"Bearer {pair.token}"}
        url = f"{backend.url}{TASKS}/{task}/eventstream"
        with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as stream:
            lines = stream.iter_lines()
            streams[backend.name] = [next(lines) for _ in range(4)]
        pair.send(backend, "POST", f"{TASKS}/{task}/cancel", json={})
        wait_for_task(pair, backend, task, lambda content: content["status"] in ENDED)
        numbers = [event["id"] for event in pair.send(backend, "GET", f"{TASKS}/{task}/events").json()]
        last = {"headers": {"Last-Event-ID": str(numbers[-2])}}
        again = pair.send(backend, "GET", f"{TASKS}/{task}/eventstream", **last).text
        assert again.count("data: ") == (len(numbers) if backend is pair.stock else 1)
    assert not any(line.startswith("id:") for line in streams["stock"])
    assert streams["understage"][0].startswith("id: ")


def test_the_location_of_an_entity_that_was_never_admitted_tells_of_it(pair: Pair) -> None:
    def told(backend: Backend) -> list[str]:
        entities = pair.send(backend, "GET", "/api/catalog/entities?filter=kind=location").json()
        items = [item for entity in entities for item in entity.get("status", {}).get("items", [])]
        return [item["error"]["entityRef"] for item in items if item["error"]["name"] == "NotAdmitted"]

    assert told(pair.stock) == []
    assert "component:default/invalid name with spaces" in told(pair.ours)


def test_entities_that_are_pending_have_a_name(pair: Pair) -> None:
    def rows(backend: Backend) -> list[dict[str, Any]]:
        answer = pair.send(backend, "GET", "/api/catalog/entities/unprocessed/pending")
        return sorted(
            answer.json()["entities"], key=lambda row: json.dumps(row["unprocessed_entity"]["metadata"]["name"])
        )

    stock, ours = rows(pair.stock), rows(pair.ours)
    assert [row.pop("entity_ref") for row in stock] == [row.pop("entity_id") for row in stock] == [None] * len(stock)
    names = [row["unprocessed_entity"]["metadata"]["name"] for row in ours]
    assert [row.pop("entity_ref").partition("/")[2] for row in ours] == names
    processed = [row for row in ours if row["processed_entity"]]
    assert processed
    assert all(row["processed_entity"]["metadata"]["uid"] == row["entity_id"] for row in processed)
    assert len({row.pop("entity_id") for row in ours}) == len(ours)
    own = ("result_hash", "next_update_at", "last_discovery_at")
    for row in (*stock, *ours):
        for name in own:
            assert row.pop(name)
        # Hashed in two ways; and what the processors of each remember for themselves.
        row.pop("unprocessed_hash")
        row.pop("cache")
        if row["processed_entity"]:
            assert UUID.fullmatch(row["processed_entity"]["metadata"].pop("uid"))
    assert [{**row, "errors": [without_position(error) for error in row["errors"]]} for row in ours] == stock


def without_position(error: dict[str, Any]) -> dict[str, Any]:
    """The error without what the difference `yaml-positions` adds."""
    kept = {name: value for name, value in error.items() if name not in ("file", "line", "column", "text")}
    return {**kept, "message": error["message"].partition(", at file:")[0]}


@pytest.fixture(scope="module")
def bad_pair(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("bad-pair")
    with running_pair(stock_installation, postgres_server.url("postgres"), folder, BAD_FILES) as pair:
        yield pair


def test_a_location_that_failed_from_the_start_is_served_with_its_error(bad_pair: Pair) -> None:
    stock, ours = bad_pair.refs(bad_pair.stock), bad_pair.refs(bad_pair.ours)
    assert "location:default/missing-target" not in stock
    [problem] = ours["location:default/missing-target"]["status"]["items"]
    assert problem["level"] == "error"
    assert "does-not-exist.yaml does not exist" in problem["message"]
    failed = {ref for ref in ours if ref.startswith("location:") and ours[ref]["status"]}
    assert len(failed) == 3, "the missing target, the missing file, the file with a kind that is not allowed"
    assert failed.isdisjoint(stock)


def test_placeholders_work_in_files_of_the_machine(bad_pair: Pair) -> None:
    assert "api:default/json-api" not in bad_pair.refs(bad_pair.stock)
    answer = bad_pair.send(bad_pair.ours, "GET", "/api/catalog/entities/by-name/api/default/json-api")
    assert answer.json()["spec"]["parsedJson"] == {"hello": ["world", 1, None, True]}
    assert answer.json()["spec"]["parsedYaml"]["info"] == {"version": "1.0.0", "title": "Artist API"}


def test_every_difference_is_documented_and_every_documented_one_is_tested() -> None:
    tested = {case.differs for case in load_cases() if case.differs} | RUNS.keys() | FILES | CANCELS | EVENTS
    tested |= ABSENT | UNDO | PERMISSIONS | SECRETS | LOGS | LINKS | SCHEMAS | FORGES | SCAFFOLDER | STREAMS
    assert tested == listed_differences()
