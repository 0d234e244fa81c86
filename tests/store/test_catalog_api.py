"""The catalog's answers on both databases: entities ingested by the engine, asked for through the web application."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.catalog_bench import PagesReader, component, running
from tests.store.catalog_web import Catalog, serving

from understage.identity.permissions import Conditional, parse_criteria
from understage.platform.database import Database
from understage.platform.requests import CATALOG_BODY_LIMIT

ENTITIES = [
    "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
    "metadata: {name: cart, title: Shopping Cart, tags: [java, web], labels: {tier: '1'}}\n"
    "spec: {type: service, lifecycle: production, owner: team-a, system: shop, dependsOn: ['component:catalogue']}",
    "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: Catalogue, tags: [go]}\n"
    "spec: {type: service, lifecycle: experimental, owner: team-b}",
    component("web", type="website"),
    "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: shop}\nspec: {owner: team-a}",
    "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: team-a}\nspec: {type: team, children: []}",
]
PLACE = {"type": "url", "target": "https://example.com/x.yaml"}
RULES = [{"allow": ["Component", "System", "Group", "Location"]}]


@pytest.fixture
async def catalog(database: Database, tmp_path: Path) -> AsyncIterator[Catalog]:
    (tmp_path / "all.yaml").write_text("\n---\n".join(ENTITIES))
    locations = [{"type": "file", "target": "all.yaml"}]
    async with (
        running(database, tmp_path, locations=locations, reader=PagesReader(), rules=RULES) as bench,
        serving(bench) as catalog,
    ):
        yield catalog


async def test_pages_follow_each_other_forwards_and_backwards(catalog: Catalog) -> None:
    query = "filter=kind=component&orderField=metadata.name,asc&limit=2"
    first = await catalog.get(f"/entities/by-query?{query}&fields=metadata.name")
    assert [entity["metadata"]["name"] for entity in first["items"]] == ["cart", "Catalogue"]
    assert first["totalItems"] == 3
    assert list(first["pageInfo"]) == ["nextCursor"]
    second = await catalog.post("/entities/by-query", {"cursor": first["pageInfo"]["nextCursor"], "limit": 2})
    assert [entity["metadata"]["name"] for entity in second["items"]] == ["web"]
    assert list(second["pageInfo"]) == ["prevCursor"]
    back = await catalog.get(f"/entities/by-query?limit=2&cursor={second['pageInfo']['prevCursor']}")
    assert [entity["metadata"]["name"] for entity in back["items"]] == ["cart", "Catalogue"]
    assert list(back["pageInfo"]) == ["nextCursor"]


async def test_a_page_may_begin_further_on(catalog: Catalog) -> None:
    query = "filter=kind=component&orderField=metadata.name,asc&limit=1"
    assert await catalog.names(f"{query}&offset=1") == ["Catalogue"]
    assert await catalog.names(f"{query}&offset=3") == []


async def test_a_page_has_two_hundred_entities_unless_asked_for_more(catalog: Catalog) -> None:
    catalog.bench.write("all.yaml", *ENTITIES, *(component(f"more-{number}") for number in range(200)))
    await catalog.bench.refresh_all()
    page = await catalog.get("/entities/by-query?filter=kind=component")
    assert (len(page["items"]), page["totalItems"]) == (200, 203)
    posted = await catalog.post("/entities/by-query", {"query": {"kind": "component"}})
    assert [len(posted["items"]), "nextCursor" in posted["pageInfo"]] == [200, True]
    assert len((await catalog.get("/entities/by-query?filter=kind=component&limit=202"))["items"]) == 202


async def test_the_first_order_counts(catalog: Catalog) -> None:
    orders = "orderField=metadata.name,asc&orderField=metadata.name,desc"
    assert await catalog.names(f"filter=kind=component&{orders}") == ["cart", "Catalogue", "web"]


async def test_filters_are_case_insensitive_and_combine(catalog: Catalog) -> None:
    assert await catalog.names("filter=KIND=Component,spec.Type=SERVICE&orderField=metadata.name,desc") == [
        "Catalogue",
        "cart",
    ]
    assert await catalog.names("filter=metadata.tags=java") == ["cart"]
    assert await catalog.names("filter=metadata.tags.java") == ["cart"]
    assert await catalog.names("filter=relations.ownedby=group:default/team-b") == ["Catalogue"]
    assert await catalog.names("filter=kind=system&filter=spec.type=website&orderField=metadata.name") == [
        "shop",
        "web",
    ]
    assert await catalog.names("filter=metadata.labels.tier") == ["cart"]
    assert await catalog.names("filter=spec.lifecycle=nope") == []


async def test_predicates_of_the_pickers_work(catalog: Catalog) -> None:
    query = {"$all": [{}, {"kind": {"$in": ["Group", "User"]}}]}
    page = await catalog.post("/entities/by-query", {"query": query, "limit": 500, "fields": ["kind", "metadata.name"]})
    assert page["items"] == [{"kind": "Group", "metadata": {"name": "team-a"}}]
    page = await catalog.post("/entities/by-query", {"query": {"$not": {"kind": {"$hasPrefix": "Comp"}}}})
    assert {entity["kind"] for entity in page["items"]} == {"System", "Group", "Location"}


async def test_full_text_takes_wildcards_literally(catalog: Catalog) -> None:
    fields = "fullTextFilterFields=metadata.name,metadata.title"
    assert await catalog.names(f"fullTextFilterTerm=PING%20c&{fields}") == ["cart"]
    assert await catalog.names(f"fullTextFilterTerm=%25&{fields}") == []
    assert await catalog.names("fullTextFilterTerm=web&orderField=metadata.name,asc") == ["web"]
    assert await catalog.names("fullTextFilterTerm=%20web%20&orderField=metadata.name,asc") == ["web"]


async def test_counting_needs_no_page(catalog: Catalog) -> None:
    assert await catalog.get("/entities/by-query?limit=0&filter=kind=component") == {
        "items": [],
        "totalItems": 3,
        "pageInfo": {},
    }
    page = await catalog.get("/entities/by-query?limit=1&filter=kind=component&totalItems=exclude")
    assert page["totalItems"] == 0
    assert len(page["items"]) == 1
    assert (await catalog.post("/entities/by-query", {"limit": 1, "totalItems": "exclude"}))["totalItems"] == 0


async def test_facets_count_original_values_in_order(catalog: Catalog) -> None:
    facets = await catalog.get("/entity-facets?facet=metadata.tags&facet=Kind&facet=nope&filter=kind=component")
    assert facets == {
        "facets": {
            "metadata.tags": [{"value": "go", "count": 1}, {"value": "java", "count": 1}, {"value": "web", "count": 1}],
            "Kind": [{"value": "Component", "count": 3}],
            "nope": [],
        }
    }
    posted = await catalog.post("/entity-facets", {"facets": ["spec.type"], "query": {"kind": "component"}})
    assert posted["facets"]["spec.type"] == [{"value": "service", "count": 2}, {"value": "website", "count": 1}]


async def test_lists_come_whole_by_uid_or_in_slices_by_reference(catalog: Catalog) -> None:
    everything = await catalog.get("/entities")
    uids = [entity["metadata"]["uid"] for entity in everything]
    assert len(uids) == 6
    assert uids == sorted(uids)
    answer = await catalog.http.get("/entities?filter=kind=component&limit=2&fields=metadata.name")
    assert [entity["metadata"]["name"] for entity in answer.json()] == ["cart", "Catalogue"]
    link = answer.headers["link"]
    assert link.startswith("</entities?")
    rest = await catalog.get(link[1 : link.index(">")])
    assert [entity["metadata"]["name"] for entity in rest] == ["web"]
    by_title = await catalog.get("/entities?filter=kind=component&order=asc:metadata.title&limit=5")
    assert by_title[0]["metadata"]["name"] == "cart"
    assert len(by_title) == 3


async def test_slices_and_orders_that_make_no_sense_are_refused(catalog: Catalog) -> None:
    far, before = (base64.b64encode(json.dumps({"limit": 1, "offset": at}).encode()).decode() for at in (2**53, -1))
    for query in (
        "limit=0",
        "order=metadata.name",
        "order=up:metadata.name",
        "order=asc:",
        f"after={far}",
        f"after={before}",
    ):
        answer = await catalog.http.get(f"/entities?{query}")
        assert (query, answer.status_code, answer.json()["error"]["name"]) == (query, 400, "InputError")


async def test_by_refs_keeps_order_and_gaps(catalog: Catalog) -> None:
    refs = ["system:default/shop", "component:default/nope", "component:default/cart", "Component:default/cart"]
    body = await catalog.post("/entities/by-refs", {"entityRefs": refs, "fields": ["metadata.name"]})
    assert body == {"items": [{"metadata": {"name": "shop"}}, None, {"metadata": {"name": "cart"}}, None]}
    filtered = await catalog.post("/entities/by-refs?filter=kind=system", {"entityRefs": refs})
    assert [item and item["kind"] for item in filtered["items"]] == ["System", None, None, None]


async def test_single_entities_are_found_by_name_in_any_case_and_by_uid(catalog: Catalog) -> None:
    entity = await catalog.get("/entities/by-name/COMPONENT/default/CART")
    assert (await catalog.get(f"/entities/by-uid/{entity['metadata']['uid']}")) == entity
    assert {"type": "partOf", "targetRef": "system:default/shop"} in entity["relations"]
    for path in ("/entities/by-name/component/default/x", "/entities/by-uid/not-a-uuid"):
        answer = await catalog.http.get(path)
        assert (answer.status_code, answer.json()["error"]["name"]) == (404, "NotFoundError")


async def test_ancestry_leads_to_the_root(catalog: Catalog) -> None:
    ancestry = await catalog.get("/entities/by-name/component/default/cart/ancestry")
    assert ancestry["rootEntityRef"] == "component:default/cart"
    assert [item["entity"]["kind"] for item in ancestry["items"]] == ["Component", "Location"]
    parent = ancestry["items"][0]["parentEntityRefs"]
    assert parent == [f"location:default/{ancestry['items'][1]['entity']['metadata']['name']}"]
    assert (await catalog.http.get("/entities/by-name/component/default/x/ancestry")).status_code == 404


async def test_a_condition_limits_every_answer_alike(catalog: Catalog) -> None:
    rule = {"rule": "IS_ENTITY_OWNER", "resourceType": "catalog-entity", "params": {"claims": ["group:default/team-a"]}}
    catalog.policy.decision = Conditional("catalog", "catalog-entity", parse_criteria({"anyOf": [rule]}))
    assert sorted(entity["metadata"]["name"] for entity in await catalog.get("/entities")) == ["cart", "shop", "web"]
    assert (await catalog.get("/entities/by-query?limit=0"))["totalItems"] == 3
    assert (await catalog.get("/entity-facets?facet=kind"))["facets"]["kind"] == [
        {"value": "Component", "count": 2},
        {"value": "System", "count": 1},
    ]
    refs = ["component:default/catalogue", "component:default/web"]
    assert [item and 1 for item in (await catalog.post("/entities/by-refs", {"entityRefs": refs}))["items"]] == [
        None,
        1,
    ]
    assert (await catalog.http.get("/entities/by-name/component/default/catalogue")).status_code == 404
    assert (await catalog.http.get("/entities/by-name/component/default/catalogue/ancestry")).status_code == 403
    ancestry = await catalog.get("/entities/by-name/component/default/cart/ancestry")
    assert len(ancestry["items"]) == 1
    forged = base64.b64encode(
        json.dumps({"orderFields": [], "orderFieldValues": ["0"], "isPrevious": False, "totalItems": 99}).encode()
    ).decode()
    page = await catalog.get(f"/entities/by-query?cursor={forged}")
    # The total is what the cursor says: nobody counts for every page.
    assert (len(page["items"]), page["totalItems"]) == (3, 99)


async def test_what_the_client_has_is_not_sent_again(catalog: Catalog) -> None:
    first = await catalog.http.get("/entity-facets?facet=kind")
    again = await catalog.http.get("/entity-facets?facet=kind", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await catalog.http.get("/entity-facets?facet=spec.type", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


async def test_facets_without_a_name_are_refused(catalog: Catalog) -> None:
    for answer in (
        await catalog.http.get("/entity-facets?facet[]="),
        await catalog.http.post("/entity-facets", json={"facets": [""]}),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Missing ")


async def test_a_body_is_read_to_its_limit_only(catalog: Catalog) -> None:
    body = json.dumps({"entityRefs": ["component:default/cart"]}).encode()
    headers = {"content-type": "application/json"}
    longest = body + b" " * (CATALOG_BODY_LIMIT - len(body))
    assert (await catalog.http.post("/entities/by-refs", content=longest, headers=headers)).status_code == 200
    answer = await catalog.http.post("/entities/by-refs", content=longest + b" ", headers=headers)
    assert (answer.status_code, answer.json()["error"]["name"]) == (413, "PayloadTooLargeError")


async def test_a_denial_empties_lists_and_forbids_changes(catalog: Catalog) -> None:
    uid = (await catalog.get("/entities/by-name/component/default/cart"))["metadata"]["uid"]
    catalog.policy.decision = "DENY"
    assert await catalog.get("/entities") == []
    assert await catalog.get("/entities/by-query") == {"items": [], "totalItems": 0, "pageInfo": {}}
    assert await catalog.get("/entity-facets?facet=kind") == {"facets": {"kind": []}}
    assert await catalog.get("/locations") == []
    for answer in (
        await catalog.http.delete(f"/entities/by-uid/{uid}"),
        await catalog.http.post("/refresh", json={"entityRef": "component:default/cart"}),
        await catalog.http.post("/locations", json=PLACE),
        await catalog.http.put("/locations/some", json=PLACE),
        await catalog.http.delete("/locations/some"),
        await catalog.http.post("/analyze-location", json={"location": PLACE}),
        await catalog.http.post("/validate-entity", json={"entity": {}, "location": "url:https://example.com/x.yaml"}),
    ):
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, "")


async def test_a_location_is_previewed_registered_listed_and_unregistered(catalog: Catalog) -> None:
    target = "https://example.com/repo/new.yaml"
    body = {"type": "url", "target": target}
    refused = await catalog.post("/locations?dryRun=true", body, 400)
    assert target in refused["error"]["message"]
    catalog.bench.reader.pages[target] = component("fresh")
    preview = await catalog.post("/locations?dryRun=true", body, 201)
    assert preview["exists"] is False
    assert [entity["metadata"]["name"] for entity in preview["entities"] if entity["kind"] == "Component"] == ["fresh"]
    created = await catalog.post("/locations", body, 201)
    location = created["location"]
    assert created["entities"] == []
    conflict = await catalog.post("/locations", body, 409)
    assert conflict["error"]["message"] == f"Location url:{target} already exists"
    await catalog.bench.settle()
    entity = await catalog.get("/entities/by-name/component/default/fresh")
    assert entity["metadata"]["annotations"]["backstage.io/managed-by-origin-location"] == f"url:{target}"
    assert await catalog.get("/locations") == [{"data": location}]
    assert await catalog.get(f"/locations/{location['id']}") == location
    assert await catalog.get("/locations/by-entity/component/default/fresh") == location
    found = await catalog.post("/locations/by-query", {"query": {"target": target.upper()}, "limit": 1})
    assert (found["items"], found["totalItems"]) == ([location], 1)
    answer = await catalog.http.delete(f"/locations/{location['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await catalog.http.get("/entities/by-name/component/default/fresh")).status_code == 404
    assert (await catalog.http.get(f"/locations/{location['id']}")).status_code == 404
    assert (await catalog.http.get("/locations/no-uuid")).status_code == 404


async def test_pages_of_locations_go_on_after_the_last_one(catalog: Catalog) -> None:
    for number in range(5):
        target = f"https://example.com/repo/{number}.yaml"
        catalog.bench.reader.pages[target] = component(f"one-{number}")
        await catalog.post("/locations", {"type": "url", "target": target}, 201)
    wanted = await catalog.post("/locations/by-query", {})
    seen, body = [], {"limit": 2}
    while body:
        page = await catalog.post("/locations/by-query", body)
        assert page["totalItems"] == 5
        seen.append([location["id"] for location in page["items"]])
        body = {"cursor": page["pageInfo"]["nextCursor"]} if page["pageInfo"] else {}
    assert [len(page) for page in seen] == [2, 2, 1]
    assert [id_ for page in seen for id_ in page] == [location["id"] for location in wanted["items"]]


async def test_refresh_reads_the_file_again(catalog: Catalog) -> None:
    file = catalog.bench.folder / "all.yaml"
    file.write_text("\n---\n".join([ENTITIES[0].replace("Shopping Cart", "Basket"), *ENTITIES[1:]]))
    answer = await catalog.http.post("/refresh", json={"entityRef": "component:default/cart"})
    assert (answer.status_code, answer.content) == (200, b"")
    await catalog.bench.settle()
    assert (await catalog.get("/entities/by-name/component/default/cart"))["metadata"]["title"] == "Basket"
    answer = await catalog.http.post("/refresh", json={"entityRef": "component:default/nope"})
    assert answer.status_code == 404


async def test_entities_are_validated_before_a_pull_request(catalog: Catalog) -> None:
    entity = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "x"}, "spec": {}}
    location = "url:https://example.com/repo/x.yaml"
    wrong = await catalog.post("/validate-entity", {"entity": entity, "location": location}, 400)
    assert "must have required property" in wrong["errors"][0]["message"]
    entity["spec"] = {"type": "service", "lifecycle": "production", "owner": "team-a"}
    assert await catalog.post("/validate-entity", {"entity": entity, "location": location}) is None
    refused = await catalog.post("/validate-entity", {"entity": entity, "location": "https://example.com"}, 400)
    assert "please prefix it with 'url:'" in refused["errors"][0]["message"]


async def test_an_entity_that_is_still_emitted_comes_back_with_a_new_uid(catalog: Catalog) -> None:
    uid = (await catalog.get("/entities/by-name/component/default/cart"))["metadata"]["uid"]
    assert (await catalog.http.delete(f"/entities/by-uid/{uid}")).status_code == 204
    await catalog.bench.settle()
    assert (await catalog.get("/entities/by-name/component/default/cart"))["metadata"]["uid"] != uid
    assert (await catalog.http.delete("/entities/by-uid/unknown")).status_code == 204
