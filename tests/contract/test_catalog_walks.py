"""Walks through the catalog that both backends take alike: pages, registered locations, orphans, deletion."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from tests.contract.backend import Backend, wait_until
from tests.contract.pair import Pair
from tests.contract.walk import Walk

CATALOG = "/api/catalog"
COMPONENT = f"{CATALOG}/entities/by-name/component/default"


@pytest.fixture
def walk(pair: Pair) -> Iterator[Walk]:
    yield Walk(pair)
    pair.files.replaced.clear()
    for backend in (pair.stock, pair.ours):
        for item in pair.send(backend, "GET", f"{CATALOG}/locations").json():
            pair.send(backend, "DELETE", f"{CATALOG}/locations/{item['data']['id']}")
    wait_for_both(pair, lambda backend: not is_served(pair, backend), "the end of what was registered")
    pair.settle()


def cursors(responses: tuple[httpx.Response, httpx.Response], name: str) -> tuple[str, str] | None:
    found = [response.json()["pageInfo"].get(name) for response in responses]
    return (found[0], found[1]) if all(found) else None


PAGED = {
    "by name": "limit=7&filter=kind=component&orderField=metadata.name,asc",
    "by name, descending": "limit=7&filter=kind=component&orderField=metadata.name,desc",
    "unfiltered": "limit=9&orderField=metadata.name,asc",
    "full text": "limit=4&fullTextFilterTerm=page&fullTextFilterFields=metadata.name&orderField=metadata.name,asc",
    "without a total": "limit=9&filter=kind=component&totalItems=exclude&orderField=metadata.name,asc",
    "from an offset": "limit=5&offset=3&filter=kind=component&orderField=metadata.name,asc",
}


@pytest.mark.parametrize("query", PAGED.values(), ids=PAGED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_forth_and_back(walk: Walk, query: str, method: str) -> None:
    limit = int(re.findall(r"limit=(\d+)", query)[0])

    def turn(page: tuple[str, str]) -> tuple[httpx.Response, httpx.Response]:
        walk.keep("cursor", (quote(page[0]), quote(page[1])) if method == "GET" else page)
        if method == "GET":
            path = f"{CATALOG}/entities/by-query?limit={limit}&fields=metadata.name&cursor={{cursor}}"
            return walk.same("GET", path)
        body = {"limit": limit, "fields": ["metadata.name"], "cursor": "{cursor}"}
        return walk.same("POST", f"{CATALOG}/entities/by-query", json=body)

    responses = walk.same("GET", f"{CATALOG}/entities/by-query?{query}&fields=metadata.name")
    pages = 1
    while following := cursors(responses, "nextCursor"):
        responses = turn(following)
        pages += 1
    assert pages > 2
    while preceding := cursors(responses, "prevCursor"):
        responses = turn(preceding)
        pages -= 1
    assert pages == 1


def test_links_to_the_next_part_of_a_list(walk: Walk) -> None:
    path = f"{CATALOG}/entities?limit=5&order=asc:metadata.name&fields=metadata.name&filter=kind=component"
    seen: list[str] = []
    while path:
        responses = walk.same("GET", path)
        seen += [entity["metadata"]["name"] for entity in responses[1].json()]
        link = re.match(r"<([^>]*)>", responses[1].headers.get("link", ""))
        path = f"{CATALOG}{link[1]}" if link else ""
    assert len(seen) == len(set(seen)) > 15


def test_an_entity_by_its_uid(walk: Walk) -> None:
    responses = walk.same("GET", f"{COMPONENT}/artist-web")
    walk.keep("uid", tuple(response.json()["metadata"]["uid"] for response in responses))
    walk.same("GET", f"{CATALOG}/entities/by-uid/{{uid}}")
    walk.same("GET", f"{CATALOG}/entities?filter=metadata.uid={{uid}}&fields=metadata.name")


def wait_for_both(pair: Pair, seen: Callable[[Backend], bool], what: str) -> None:
    wait_until(lambda: all(seen(backend) for backend in (pair.stock, pair.ours)), what)


def is_served(pair: Pair, backend: Backend) -> bool:
    """Whether anything of the file server is."""
    filters = f"metadata.annotations.backstage.io/managed-by-origin-location=url:{pair.files.url}"
    files = [f"filter={filters}/{file}" for file in ("one.yaml", "two.yaml")]
    return bool(pair.send(backend, "GET", f"{CATALOG}/entities?{'&'.join(files)}").json())


def register(walk: Walk, name: str, file: str, *components: str) -> None:
    """Register a file on both, and wait for its components."""
    responses = walk.same(
        "POST", f"{CATALOG}/locations", json={"type": "url", "target": f"{walk.pair.files.url}/{file}"}
    )
    assert responses[1].status_code == 201
    walk.keep(name, tuple(response.json()["location"]["id"] for response in responses))
    wait_for_both(walk.pair, lambda backend: walk.pair.serves(backend, *components), f"components of {file}")


def test_a_location_is_registered_looked_at_and_removed(walk: Walk) -> None:
    register(walk, "one", "one.yaml", "http-one")
    target = {"type": "url", "target": f"{walk.pair.files.url}/one.yaml"}
    assert walk.same("POST", f"{CATALOG}/locations", json=target)[1].status_code == 409
    walk.same("POST", f"{CATALOG}/locations?onConflict=reject", json=target)
    assert walk.same("POST", f"{CATALOG}/locations?onConflict=refresh", json=target)[1].status_code == 201
    assert walk.same("POST", f"{CATALOG}/locations?dryRun=true", json=target)[1].json()["exists"] is True
    walk.same("GET", f"{CATALOG}/locations")
    walk.same("GET", f"{CATALOG}/locations/{{one}}")
    walk.same("GET", f"{CATALOG}/locations/by-entity/component/default/http-one")
    for query in ({"type": "url"}, {"target": target["target"]}, {"target": {"$hasPrefix": walk.pair.files.url}}):
        walk.same("POST", f"{CATALOG}/locations/by-query", json={"query": query})
    walk.same("POST", f"{CATALOG}/locations/by-query", json={"query": {"$not": {"type": "url"}}})
    walk.same("GET", f"{COMPONENT}/http-one")
    walk.same("GET", f"{COMPONENT}/http-one/ancestry")
    walk.same("POST", f"{CATALOG}/refresh", json={"entityRef": "component:default/http-one"})
    assert walk.same("DELETE", f"{CATALOG}/locations/{{one}}")[1].status_code == 204
    assert walk.same("DELETE", f"{CATALOG}/locations/{{one}}")[1].status_code == 404
    assert walk.same("GET", f"{COMPONENT}/http-one")[1].status_code == 404


def test_a_location_is_pointed_elsewhere(walk: Walk) -> None:
    """It keeps id and reference, gives the entities of the other file only, and its own entity is another one."""
    register(walk, "id", "one.yaml", "http-one")
    files = walk.pair.files.url
    registered = [response.json()["entityRef"] for response in walk.same("GET", f"{CATALOG}/locations/{{id}}")]
    name = registered[1].partition("/")[2]
    before = walk.same("GET", f"{CATALOG}/entities/by-name/location/default/{name}")
    elsewhere = {"type": "url", "target": f"{files}/two-a.yaml"}
    moved = walk.same("PUT", f"{CATALOG}/locations/{{id}}", json=elsewhere)
    assert [response.status_code for response in moved] == [200, 200]
    assert [response.json()["entityRef"] for response in moved] == registered
    assert walk.same("GET", f"{COMPONENT}/http-one")[1].status_code == 404
    wait_for_both(walk.pair, lambda backend: walk.pair.serves(backend, "http-two-a"), "the component of the other file")
    walk.pair.settle()
    after = walk.same("GET", f"{CATALOG}/entities/by-name/location/default/{name}")
    assert walk.same("GET", f"{COMPONENT}/http-one")[1].status_code == 404
    walk.same("GET", f"{COMPONENT}/http-two-a")
    uids = [[response.json()["metadata"]["uid"] for response in responses] for responses in (before, after)]
    assert not set(uids[0]) & set(uids[1])
    # To itself, to where another one points, with what no location has, and one that is not there
    walk.same("PUT", f"{CATALOG}/locations/{{id}}", json=elsewhere)
    register(walk, "other", "one.yaml?again", "http-one")
    taken = {"type": "url", "target": f"{files}/one.yaml?again"}
    assert walk.same("PUT", f"{CATALOG}/locations/{{id}}", json=taken)[1].status_code == 409
    strange = walk.same("PUT", f"{CATALOG}/locations/{{id}}", json={**elsewhere, "presence": "optional"})
    assert strange[1].status_code == 400
    unknown = "11111111-2222-4333-8444-555555555555"
    nowhere = {"type": "url", "target": f"{files}/one.yaml?nobody"}
    assert walk.same("PUT", f"{CATALOG}/locations/{unknown}", json=nowhere)[1].status_code == 404
    # That a target is taken is told before that a location is unknown.
    assert walk.same("PUT", f"{CATALOG}/locations/{unknown}", json=elsewhere)[1].status_code == 409


def test_a_child_that_is_left_out_becomes_an_orphan_and_is_deleted(walk: Walk) -> None:
    register(walk, "two", "two.yaml", "http-two-a", "http-two-b")
    walk.pair.settle()
    walk.same("GET", f"{COMPONENT}/http-two-a/ancestry")
    walk.pair.files.replaced["two.yaml"] = (
        b"apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: http-two}\nspec: {targets: [./two-a.yaml]}\n"
    )
    walk.same("POST", f"{CATALOG}/refresh", json={"entityRef": "location:default/http-two"})

    def is_orphan(backend: Backend) -> bool:
        entity = walk.pair.send(backend, "GET", f"{COMPONENT}/http-two-b").json()
        return bool(entity["metadata"]["annotations"].get("backstage.io/orphan") == "true")

    wait_for_both(walk.pair, is_orphan, "the orphan")
    responses = walk.same("GET", f"{COMPONENT}/http-two-b")
    walk.same("GET", f"{COMPONENT}/http-two-b/ancestry")
    walk.same("GET", f"{CATALOG}/entities?filter=metadata.annotations.backstage.io/orphan=true")
    walk.keep("uid", tuple(response.json()["metadata"]["uid"] for response in responses))
    assert walk.same("DELETE", f"{CATALOG}/entities/by-uid/{{uid}}")[1].status_code == 204
    assert walk.same("DELETE", f"{CATALOG}/entities/by-uid/{{uid}}")[1].status_code == 204
    assert walk.same("GET", f"{COMPONENT}/http-two-b")[1].status_code == 404


def test_a_file_that_breaks_leaves_the_entity_and_an_error(walk: Walk) -> None:
    register(walk, "one", "one.yaml", "http-one")
    walk.pair.settle()
    walk.pair.files.replaced["one.yaml"] = None
    walk.same("POST", f"{CATALOG}/refresh", json={"entityRef": "component:default/http-one"})
    locations = f"{CATALOG}/entities?filter=kind=location,spec.target={walk.pair.files.url}/one.yaml"

    def has_error(backend: Backend) -> bool:
        [location] = walk.pair.send(backend, "GET", locations).json()
        return bool(location.get("status", {}).get("items"))

    wait_for_both(walk.pair, has_error, "the error of the location")
    walk.same("GET", f"{COMPONENT}/http-one")
    walk.same("GET", locations)
