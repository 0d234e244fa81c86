"""The audit log of the catalog's endpoints: ids, severities and meta as the stock backend logs them, however it ends."""

from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.store.catalog_bench import PagesReader, component, running
from tests.store.catalog_web import Catalog, serving

from understage.platform.database import Database

TARGET = "https://example.com/repo/shop.yaml"
LOCATION = {"type": "url", "target": TARGET}
UNKNOWN = "11111111-2222-4333-8444-555555555555"
FETCH, MUTATE = "entity-fetch", "entity-mutate"
NAMED = "/entities/by-name/component/default"
VALID = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "x"}, "spec": {}}

Case = tuple[str, str, Any, str, str, dict[str, Any]]
# method, path, body, event, severity, meta from the beginning
CASES: list[Case] = [
    ("GET", "/entities?limit=1", None, FETCH, "low", {"queryType": "all", "query": {"limit": 1}}),
    ("GET", "/entities/by-query?limit=1", None, FETCH, "low", {"queryType": "by-query"}),
    ("POST", "/entities/by-query", {"limit": 1}, FETCH, "low", {"queryType": "by-query"}),
    ("GET", "/entities/by-uid/{uid}", None, FETCH, "low", {"queryType": "by-uid", "uid": "{uid}"}),
    ("GET", f"{NAMED}/one", None, FETCH, "low", {"queryType": "by-name", "entityRef": "component:default/one"}),
    (
        "GET",
        f"{NAMED}/one/ancestry",
        None,
        FETCH,
        "low",
        {"actionType": "ancestry", "entityRef": "component:default/one"},
    ),
    ("POST", "/entities/by-refs", {"entityRefs": ["component:default/one"]}, FETCH, "low", {"queryType": "by-refs"}),
    ("GET", "/entity-facets?facet=kind", None, "entity-facets", "low", {}),
    ("POST", "/entity-facets", {"facets": ["kind"]}, "entity-facets", "low", {}),
    (
        "POST",
        "/refresh",
        {"entityRef": "component:default/one"},
        MUTATE,
        "medium",
        {"queryType": "refresh", "entityRef": "component:default/one"},
    ),
    ("DELETE", "/entities/by-uid/{uid}", None, MUTATE, "medium", {"actionType": "delete", "uid": "{uid}"}),
    ("GET", "/locations", None, "location-fetch", "low", {"queryType": "all"}),
    ("POST", "/locations/by-query", {}, "location-fetch", "low", {"queryType": "by-query"}),
    ("GET", "/locations/{id}", None, "location-fetch", "low", {"queryType": "by-id", "id": "{id}"}),
    (
        "GET",
        "/locations/by-entity/component/default/one",
        None,
        "location-fetch",
        "low",
        {"queryType": "by-entity", "locationRef": "component:default/one"},
    ),
    (
        "POST",
        "/locations?dryRun=true",
        LOCATION,
        "location-mutate",
        "low",
        {"actionType": "create", "location": LOCATION, "isDryRun": True},
    ),
    (
        "POST",
        "/locations",
        {**LOCATION, "target": f"{TARGET}.more"},
        "location-mutate",
        "medium",
        {"actionType": "create", "location": {**LOCATION, "target": f"{TARGET}.more"}, "isDryRun": False},
    ),
    (
        "PUT",
        "/locations/{id}",
        LOCATION,
        "location-mutate",
        "medium",
        {"actionType": "update", "id": "{id}", "location": LOCATION},
    ),
    ("DELETE", "/locations/{id}", None, "location-mutate", "medium", {"actionType": "delete", "id": "{id}"}),
    ("POST", "/analyze-location", {"location": LOCATION}, "location-analyze", "low", {}),
    (
        "POST",
        "/validate-entity",
        {
            "entity": {**VALID, "spec": {"type": "service", "lifecycle": "production", "owner": "me"}},
            "location": f"url:{TARGET}",
        },
        "entity-validate",
        "low",
        {},
    ),
]
# What a denied caller gets; None for answers that are empty rather than refused.
DENIED = {"by-uid": "NotFoundError", "by-name": "NotFoundError", "by-id": "NotFoundError", "by-entity": "NotFoundError"}
FAILING: list[tuple[str, str, Any, str, str]] = [
    ("GET", f"{NAMED}/nobody", None, "NotFoundError", f"catalog.{FETCH} No entity named 'nobody' found"),
    ("GET", f"{NAMED}/nobody/ancestry", None, "NotFoundError", f"catalog.{FETCH} No such entity"),
    ("GET", f"/entities/by-uid/{UNKNOWN}", None, "NotFoundError", f"catalog.{FETCH} No entity with uid"),
    ("GET", "/entities?filter==x", None, "InputError", f"catalog.{FETCH} Invalid filter"),
    ("GET", "/entities/by-query?cursor=x", None, "InputError", f"catalog.{FETCH} Malformed cursor"),
    ("POST", "/refresh", {"entityRef": "component:default/nobody"}, "NotFoundError", f"catalog.{MUTATE} Entity"),
    ("POST", "/locations", LOCATION, "ConflictError", f"catalog.location-mutate Location url:{TARGET} already exists"),
    ("GET", f"/locations/{UNKNOWN}", None, "NotFoundError", "catalog.location-fetch Found no location"),
    ("DELETE", f"/locations/{UNKNOWN}", None, "NotFoundError", "catalog.location-mutate Found no location"),
    (
        "POST",
        "/analyze-location",
        {"location": {"type": "url", "target": "x"}},
        "InputError",
        "catalog.location-analyze",
    ),
    (
        "POST",
        "/validate-entity",
        {"entity": VALID, "location": f"url:{TARGET}"},
        "InputError",
        "catalog.entity-validate Could not validate entity",
    ),
]


@pytest.fixture
async def catalog(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Catalog]:
    reader = PagesReader()
    reader.pages[TARGET] = component("one")
    async with running(sqlite_database, tmp_path, reader=reader) as bench, serving(bench) as catalog:
        await catalog.post("/locations", LOCATION, 201)
        await bench.settle()
        yield catalog


async def audited(
    catalog: Catalog, method: str, path: str, body: Any = None
) -> tuple[int, list[MutableMapping[str, Any]]]:
    with capture_logs() as logs:
        answer = await catalog.http.request(method, path, json=body)
    return answer.status_code, [line for line in logs if line.get("isAuditEvent")]


async def filled(catalog: Catalog) -> dict[str, str]:
    entity = await catalog.get(f"{NAMED}/one")
    [location] = await catalog.get("/locations")
    return {"{uid}": entity["metadata"]["uid"], "{id}": location["data"]["id"]}


def fill(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: fill(item, values) for name, item in value.items()}
    for name, text in values.items():
        value = value.replace(name, text) if isinstance(value, str) else value
    return value


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
async def test_every_endpoint_is_audited(catalog: Catalog, case: Case) -> None:
    method, path, body, event, severity, meta = case
    values = await filled(catalog)
    path, meta = fill(path, values), fill(meta, values)
    status, lines = await audited(catalog, method, path, body)

    assert status < 300
    assert [line["status"] for line in lines] == ["initiated", "succeeded"]
    for line in lines:
        assert line["event"] == f"catalog.{event}"
        assert (line["plugin"], line["eventId"], line["severityLevel"]) == ("catalog", event, severity)
        assert line["actor"] == {
            "actorId": "user:default/ada",
            "ip": "127.0.0.1",
            "hostname": "test",
            "userAgent": catalog.http.headers["user-agent"],
        }
        assert line["request"] == {"method": method, "url": f"/api/catalog{path}"}
    assert lines[0].get("meta", {}) == meta
    learned = lines[1].get("meta", {})
    assert meta.items() <= {**learned, **({"location": meta["location"]} if "location" in meta else {})}.items()


async def test_success_tells_what_was_answered(catalog: Catalog) -> None:
    async def learned(method: str, path: str, body: Any = None) -> Any:
        _, lines = await audited(catalog, method, path, body)
        return lines[-1]["meta"]

    values = await filled(catalog)
    [location] = [item["data"] for item in await catalog.get("/locations")]
    page = await learned("GET", "/entities/by-query?limit=1")
    assert page["totalItems"] == 2
    assert set(page["pageInfo"]) == {"nextCursor"}
    assert (await learned("GET", f"/entities/by-uid/{values['{uid}']}"))["entities"] == ["component:default/one"]
    asked = {"entityRefs": ["component:default/one", "component:default/no"], "fields": ["kind"]}
    assert await learned("POST", "/entities/by-refs", asked) == {"queryType": "by-refs", **asked}
    ancestry = await learned("GET", f"{NAMED}/one/ancestry")
    assert ancestry["rootEntityRef"] == "component:default/one"
    assert ancestry["ancestry"][0] == {
        "entityRef": "component:default/one",
        "parentEntityRefs": [location["entityRef"]],
    }
    assert (await learned("GET", f"/locations/{location['id']}"))["output"] == location
    assert (await learned("GET", "/locations/by-entity/component/default/one"))["output"] == location
    assert "generateEntities" in (await learned("POST", "/analyze-location", {"location": LOCATION}))["output"]
    assert (await learned("PUT", f"/locations/{location['id']}", LOCATION))["location"] == location


@pytest.mark.parametrize(("method", "path", "body", "error", "message"), FAILING)
async def test_what_fails_is_audited(
    catalog: Catalog, method: str, path: str, body: Any, error: str, message: str
) -> None:
    status, lines = await audited(catalog, method, path, body)

    assert status >= 400
    assert [line["status"] for line in lines] == ["initiated", "failed"]
    assert lines[1]["error"]["name"] == error
    assert lines[1]["event"].startswith(message)


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
async def test_what_is_denied_is_audited(catalog: Catalog, case: Case) -> None:
    method, path, body, event, _, meta = case
    values = await filled(catalog)
    catalog.policy.decision = "DENY"
    status, lines = await audited(catalog, method, fill(path, values), body)

    assert [line["eventId"] for line in lines] == [event, event]
    if status < 300:
        assert event in (FETCH, "location-fetch", "entity-facets"), "only lists may be empty instead of refused"
        assert [line["status"] for line in lines] == ["initiated", "succeeded"]
    else:
        expected = DENIED.get(str(meta.get("queryType")), "NotAllowedError")
        assert [line["status"] for line in lines] == ["initiated", "failed"]
        assert lines[1]["error"]["name"] == expected


async def test_what_the_declaration_refuses_never_gets_that_far(catalog: Catalog) -> None:
    """As in the stock backend, whose validator stands before the handlers."""
    status, lines = await audited(catalog, "GET", "/entities?unknown=1")
    assert (status, lines) == (400, [])
