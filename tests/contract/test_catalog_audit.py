"""Audit events beside the stock ones, line by line of both logs: the same requests leave the same events."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.backend import Backend, at_rest
from tests.contract.pair import Pair
from tests.contract.tally import EQUAL, UNEQUAL, note

CATALOG = "/api/catalog"
AGENT = "a contract test of audit events"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
BAD_ENTITY = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": "x"},
    "spec": {"type": "a"},
}
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/entities?filter=kind=user&limit=1&fields=kind", None),
    ("GET", "/entities?filter==x", None),
    ("GET", "/entities/by-query?limit=0&filter=kind=user", None),
    ("POST", "/entities/by-query", {"limit": 0}),
    ("GET", f"/entities/by-uid/{UNKNOWN}", None),
    ("GET", "/entities/by-name/Component/default/Comp-A", None),
    ("GET", "/entities/by-name/domain/default/dom/ancestry", None),
    (
        "POST",
        "/entities/by-refs",
        {"entityRefs": ["component:default/comp-a"], "fields": ["kind"], "query": {"kind": "api"}},
    ),
    ("GET", "/entity-facets?facet=kind", None),
    ("POST", "/entity-facets", {"facets": ["kind"]}),
    ("POST", "/locations?dryRun=true", {"type": "url", "target": "${HTTP}/one.yaml"}),
    ("POST", "/locations", {"type": "file", "target": "x"}),
    ("GET", "/locations", None),
    ("POST", "/locations/by-query", {}),
    ("GET", f"/locations/{UNKNOWN}", None),
    ("PUT", f"/locations/{UNKNOWN}", {"type": "url", "target": "${HTTP}/none.yaml"}),
    ("GET", "/locations/by-entity/component/default/comp-a", None),
    ("DELETE", f"/locations/{UNKNOWN}", None),
    ("POST", "/analyze-location", {"location": {"type": "url", "target": "https://github.com/a/b"}}),
    ("POST", "/refresh", {"entityRef": "component:default/nope"}),
    ("POST", "/refresh", {"entityRef": "component:default/comp-a"}),
    ("DELETE", f"/entities/by-uid/{UNKNOWN}", None),
]


def events(pair: Pair, backend: Backend) -> list[dict[str, Any]]:
    """What the log tells of the requests of this module, without what is each backend's own."""
    found = []
    for line in (pair.folder / f"{backend.name}.log").read_text(errors="replace").splitlines():
        if '"isAuditEvent"' in line and AGENT in line:
            event = json.loads(re.sub(r"127\.0\.0\.1:\d+", "<host>", line))
            text = event.get("message") or event["event"]
            names = ("eventId", "severityLevel", "status", "level", "plugin", "actor", "request", "meta")
            found.append({"text": text, **{name: event.get(name) for name in names}})
    return found


def ask(pair: Pair, backend: Backend, method: str, path: str, body: Any) -> None:
    options: dict[str, Any] = {} if body is None else {"json": body}
    pair.send(backend, method, CATALOG + path, headers={"user-agent": AGENT}, **options)


def new_events(pair: Pair, backend: Backend, work: Callable[[], None]) -> list[dict[str, Any]]:
    before = len(events(pair, backend))
    work()
    return at_rest(lambda: events(pair, backend)[before:], quiet=0.6)


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[f"{it[0]} {it[1]}" for it in REQUESTS])
def test_requests_leave_the_stock_events(pair: Pair, method: str, path: str, body: Any) -> None:
    stock, ours = (
        new_events(pair, backend, lambda backend=backend: ask(pair, backend, method, path, body))
        for backend in (pair.stock, pair.ours)
    )
    assert [event["status"] for event in stock][:1] == ["initiated"]
    note(EQUAL if ours == stock else UNEQUAL)
    assert ours == stock


def test_an_entity_that_is_not_there_leaves_one_event_of_failure(pair: Pair) -> None:
    """The stock backend tells of a success before the failure."""
    path = "/entities/by-name/Component/default/nope"
    stock, ours = (
        new_events(pair, backend, lambda backend=backend: ask(pair, backend, "GET", path, None))
        for backend in (pair.stock, pair.ours)
    )
    assert [event["status"] for event in stock] == ["initiated", "succeeded", "failed"]
    assert ours == [stock[0], stock[2]]


def test_a_refused_entity_leaves_one_event_of_failure(pair: Pair) -> None:
    """The stock backend tells of a success after the failure, and not what was wrong."""
    body = {"entity": BAD_ENTITY, "location": "url:https://a/b"}
    stock, ours = (
        new_events(pair, backend, lambda backend=backend: ask(pair, backend, "POST", "/validate-entity", body))
        for backend in (pair.stock, pair.ours)
    )
    assert [event["status"] for event in stock] == ["initiated", "failed", "succeeded"]
    assert [event["status"] for event in ours] == ["initiated", "failed"]
    assert ours[0] == stock[0]
    assert ours[1]["text"].startswith(stock[1]["text"])
    assert "lifecycle" in ours[1]["text"]
