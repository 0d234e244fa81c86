"""The stock CatalogClient from npm, unmodified, calls its methods against Understage."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.backend import ROOT, UnderstageBackend, at_rest, free_port, place, write_overlay
from tests.contract.files import serving
from tests.contract.installation import Installation
from tests.databases import PostgresServer

DRIVER = Path(__file__).with_name("catalog_client.mjs")
TOKEN = "a-static-token-of-a-plugin"
COUNT = 620
MANY = [f"component:default/many-{number:04}" for number in range(COUNT)]
COMPONENT = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": "valid"},
    "spec": {"type": "service", "lifecycle": "production", "owner": "team-a"},
}

Ask = Callable[..., list[dict[str, Any]]]


def component(number: int) -> dict[str, Any]:
    metadata = {"name": f"many-{number:04}", "labels": {"parity": "even" if number % 2 == 0 else "odd"}}
    return {**COMPONENT, "metadata": metadata}


@pytest.fixture(scope="module")
def ask(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """Calls by (method, *arguments), to what each gave; `url` is that of the files that a location may name."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "many.yaml").write_text(yaml.safe_dump_all(map(component, range(COUNT))), encoding="utf-8")
    port = free_port()
    with serving() as files:
        overlay = place(port, postgres_server.url("postgres"), folder)
        overlay["backend"]["auth"] = {
            "externalAccess": [{"type": "static", "options": {"token": TOKEN, "subject": "a-plugin"}}]
        }
        overlay["backend"]["reading"] = {"allow": [{"host": files.address}]}
        overlay["catalog"] = {"locations": [{"type": "file", "target": str(folder / "many.yaml")}]}
        configuration = [ROOT / "app-config.yaml", write_overlay(folder / "client.yaml", overlay)]
        with UnderstageBackend.running(folder, configuration, port=port) as ours:
            count = "/api/catalog/entities/by-query?limit=0&filter=metadata.name=many-0000"
            at_rest(lambda: ours.request("GET", count, token=TOKEN).json()["totalItems"], quiet=1)
            total = "/api/catalog/entities/by-query?limit=0"
            at_rest(lambda: ours.request("GET", total, token=TOKEN).json()["totalItems"], quiet=2)

            def call(*calls: tuple[Any, ...]) -> list[dict[str, Any]]:
                sent = {
                    "baseUrl": f"{ours.url}/api/catalog",
                    "token": TOKEN,
                    "calls": [{"method": method, "arguments": arguments} for method, *arguments in calls],
                }
                text = json.dumps(sent).replace("${HTTP}", files.url)
                done = subprocess.run(
                    [stock_installation.node, DRIVER],
                    input=text,
                    capture_output=True,
                    text=True,
                    check=False,
                    cwd=stock_installation.packages,
                    timeout=120,
                )
                assert done.returncode == 0, done.stderr
                answers: list[dict[str, Any]] = json.loads(done.stdout)
                return answers

            yield call


def names(entities: list[dict[str, Any]]) -> list[str]:
    return [f"component:default/{entity['metadata']['name']}" for entity in entities]


def verbs(answer: dict[str, Any]) -> list[str]:
    return [request["method"] for request in answer["requests"]]


def test_a_stream_of_more_than_a_page_gives_each_entity_once(ask: Ask) -> None:
    even = {"metadata.labels.parity": "even"}
    everything, filtered, queried, small = ask(
        ("streamEntities", {"filter": {"metadata.labels.parity": "$exists$"}}),
        ("streamEntities", {"filter": [even, {"metadata.labels.parity": "odd"}], "pageSize": 100}),
        ("streamEntities", {"query": even, "pageSize": 100}),
        ("streamEntities", {"fields": ["metadata.name"], "pageSize": 250}),
    )
    assert sorted(names(everything["value"])) == MANY
    assert verbs(everything) == ["GET", "POST"], "the client goes on by POST when the cursor holds a query"
    assert sorted(names(filtered["value"])) == MANY
    assert verbs(filtered) == ["GET", *["POST"] * 6]
    assert sorted(names(queried["value"])) == MANY[::2]
    assert verbs(queried) == ["POST"] * 4
    found = names(small["value"])
    assert set(MANY) <= set(found)
    assert len(found) == len(set(found)) > COUNT
    assert set(verbs(small)) == {"GET"}


def test_2500_references_come_in_order(ask: Ask) -> None:
    refs = [MANY[number % COUNT] if number % 3 else f"component:default/missing-{number}" for number in range(2500)]
    (answer,) = ask(("getEntitiesByRefs", {"entityRefs": refs, "fields": ["metadata.name"]}))
    items = answer["value"]["items"]
    assert verbs(answer) == ["POST"] * 3
    assert [item.get("undefined") or names([item])[0] for item in items] == [
        True if "missing" in ref else ref for ref in refs
    ]


def test_entities_by_filter_query_reference_and_name(ask: Ask) -> None:
    ref, name = MANY[7], {"kind": "Component", "namespace": "Default", "name": "MANY-0007"}
    by_name = {"field": "metadata.name", "order": "asc"}
    two = {"metadata.name": ["many-0001", "many-0002"]}
    listed, page, predicate, refs, one, none, named, ancestors, facets, counted = ask(
        ("getEntities", {"filter": two, "order": {**by_name, "order": "desc"}}),
        ("queryEntities", {"filter": {"kind": "component"}, "limit": 2, "orderFields": by_name}),
        ("queryEntities", {"query": {"metadata.name": {"$hasPrefix": "many-000"}}, "limit": 3}),
        ("getEntitiesByRefs", {"entityRefs": [ref, "component:default/x"], "filter": {"kind": "component"}}),
        ("getEntityByRef", ref),
        ("getEntityByRef", "component:default/missing"),
        ("getEntityByName", name),
        ("getEntityAncestors", {"entityRef": ref}),
        ("getEntityFacets", {"facets": ["kind", "metadata.labels.parity"], "filter": {"metadata.labels.parity": "$exists$"}}),
        ("getEntityFacets", {"facets": ["metadata.labels.parity"], "query": {"kind": "Component"}}),
    )  # fmt: skip
    assert names(listed["value"]["items"]) == [MANY[2], MANY[1]]
    assert len(page["value"]["items"]) == 2
    assert page["value"]["totalItems"] >= COUNT
    assert page["value"]["pageInfo"]["nextCursor"]
    assert predicate["value"]["totalItems"] == 10
    assert names(refs["value"]["items"][:1]) == [ref]
    assert refs["value"]["items"][1] == {"undefined": True}
    assert names([one["value"]]) == names([named["value"]]) == [ref]
    assert none["value"] == {"undefined": True}
    assert ancestors["value"]["rootEntityRef"] == ref
    assert len(ancestors["value"]["items"]) == 2
    parity = [{"value": "even", "count": 310}, {"value": "odd", "count": 310}]
    assert facets["value"]["facets"] == {
        "kind": [{"value": "Component", "count": COUNT}],
        "metadata.labels.parity": parity,
    }
    assert counted["value"]["facets"]["metadata.labels.parity"] == parity


def test_locations_from_registration_to_removal(ask: Ask) -> None:
    spec = {"type": "url", "target": "${HTTP}/one.yaml"}
    dry, added, again, refreshed = ask(
        ("addLocation", {**spec, "dryRun": True}),
        ("addLocation", spec),
        ("addLocation", spec),
        ("addLocation", {**spec, "onConflict": "refresh"}),
    )
    assert dry["value"]["exists"] is False
    assert "http-one" in [entity["metadata"]["name"] for entity in dry["value"]["entities"]]
    id = added["value"]["location"]["id"]
    assert again["error"]["name"] == "ResponseError"
    assert again["error"]["message"] == "Request failed with 409 Conflict"
    assert refreshed["value"]["location"]["id"] == id
    listed, queried, streamed, by_id, by_ref, missing, moved, removed, gone = ask(
        ("getLocations", {}),
        ("queryLocations", {"query": {"type": "url"}}),
        ("streamLocations", {}),
        ("getLocationById", id),
        ("getLocationByRef", "url:${HTTP}/one.yaml"),
        ("getLocationById", "00000000-0000-0000-0000-000000000000"),
        ("updateLocation", id, {"type": "url", "target": "${HTTP}/two.yaml"}),
        ("removeLocationById", id),
        ("getLocationById", id),
    )
    ids = [[item["id"] for item in answer["value"]["items"]] for answer in (listed, queried)]
    assert ids == [[id], [id]]
    assert [item["id"] for item in streamed["value"]] == [id]
    assert by_id["value"]["id"] == by_ref["value"]["id"] == id
    assert missing["value"] == gone["value"] == removed["value"] == {"undefined": True}
    assert moved["value"]["id"] == id
    assert moved["value"]["target"].endswith("/two.yaml")


def test_checks_and_refreshes(ask: Ask) -> None:
    valid, invalid, refreshed, unknown, analyzed, unregistered = ask(
        ("validateEntity", COMPONENT, "url:https://example.com/x"),
        ("validateEntity", {**COMPONENT, "spec": {"type": "service"}}, "url:https://example.com/x"),
        ("refreshEntity", MANY[0]),
        ("refreshEntity", "component:default/missing"),
        ("analyzeLocation", {"location": {"type": "url", "target": "https://github.com/a/b"}}),
        ("getLocationByEntity", MANY[0]),
    )
    assert valid["value"] == {"valid": True}
    assert invalid["value"]["valid"] is False
    assert "must have required property 'lifecycle'" in invalid["value"]["errors"][0]["message"]
    assert "error" not in refreshed
    assert unknown["error"]["message"] == "Request failed with 404 Not Found"
    assert analyzed["value"]["generateEntities"][0]["entity"]["metadata"]["annotations"] == {
        "github.com/project-slug": "a/b"
    }
    assert unregistered["value"] == {"undefined": True}


def test_an_entity_is_removed_by_its_uid(ask: Ask) -> None:
    (entity,) = ask(("getEntityByRef", MANY[3]))
    removed, gone = ask(
        ("removeEntityByUid", entity["value"]["metadata"]["uid"]),
        ("removeEntityByUid", "00000000-0000-0000-0000-000000000000"),
    )
    assert removed["value"] == gone["value"] == {"undefined": True}
