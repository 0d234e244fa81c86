"""Attacks on the catalog, by the ids of the attack list: each is bounded and answered, and the rest of the catalog goes on."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.store.catalog_bench import Bench, PagesReader, component, location, running
from tests.store.catalog_web import Catalog, Policy, serving

from understage.identity.permissions import Conditional, parse_criteria
from understage.platform.database import Database

PAGE = "https://example.com/repo/page.yaml"
HEADER = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: attacker\n"
SPEC = "spec: {type: service, lifecycle: production, owner: team-a}\n"


@asynccontextmanager
async def attacked(database: Database, folder: Path, page: str, **settings: Any) -> AsyncIterator[Bench]:
    """A catalog with a good file, to which a page is registered; afterwards the good file must still be followed."""
    reader = PagesReader()
    reader.pages[PAGE] = page
    (folder / "good.yaml").write_text(component("good"))
    locations = [{"type": "file", "target": "good.yaml"}]
    async with running(database, folder, locations=locations, reader=reader, **settings) as bench:
        await bench.service.create_location("url", PAGE)
        await bench.settle()
        yield bench
        bench.write("good.yaml", component("good", type="changed"), component("better"))
        await bench.refresh_all()
        assert (await bench.entity("component:default/good"))["spec"]["type"] == "changed"
        assert "component:default/better" in await bench.names()


async def problems(bench: Bench) -> str:
    """All errors of all locations."""
    return "\n".join(error["message"] for errors in (await bench.stored_errors()).values() for error in errors)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "file:///etc/passwd", "javascript:alert(1)", "java\tscript:alert(1)", ""]
)
async def test_d1_files_and_scripts_cannot_be_registered(
    sqlite_database: Database, tmp_path: Path, target: str
) -> None:
    async with attacked(sqlite_database, tmp_path, component("one")) as bench, serving(bench) as catalog:
        refused = await catalog.post("/locations", {"type": "file", "target": target}, 400)
        assert "must be of an allowed type" in refused["error"]["message"]
        answer = await catalog.http.post("/locations", json={"type": "url", "target": target})
        if answer.status_code == 201:
            await bench.settle()
        assert "root:" not in json.dumps(await bench.entities())
        if "script" in target or not target:
            assert answer.status_code == 400


async def test_d1_a_page_cannot_lead_to_files(sqlite_database: Database, tmp_path: Path) -> None:
    documents = [
        location("files", "/etc/passwd", type="file"),
        location("urls", "file:///etc/passwd"),
        component("beside"),
    ]
    async with attacked(sqlite_database, tmp_path, "\n---\n".join(documents)) as bench:
        assert "component:default/beside" in await bench.names()
        said = await problems(bench)
        assert 'Registered locations must be of an allowed type ["url"]' in said
        assert "root:" not in said + json.dumps(await bench.entities())


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "/etc/passwd", "https://other.example/secret", "../../../../etc/passwd"]
)
async def test_d2_placeholders_stay_where_readers_may_read(
    sqlite_database: Database, tmp_path: Path, target: str
) -> None:
    page = (
        HEADER + SPEC.replace("}", f", definition: {{$text: {json.dumps(target)}}}}}") + "---\n" + component("beside")
    )
    async with attacked(sqlite_database, tmp_path, page) as bench:
        assert "component:default/attacker" not in await bench.names()
        assert "component:default/beside" in await bench.names()
        assert "root:" not in json.dumps(await bench.entities()) + await problems(bench)
        assert await problems(bench)


async def test_d3_kinds_that_are_not_allowed_come_from_no_child(sqlite_database: Database, tmp_path: Path) -> None:
    below = "https://example.com/repo/below.yaml"
    user = "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: root}\nspec: {memberOf: []}\n"
    async with attacked(sqlite_database, tmp_path, location("allowed", below)) as bench:
        bench.reader.pages[below] = component("first")
        await bench.refresh_all()
        assert "component:default/first" in await bench.names()
        bench.reader.pages[below] = component("first", type="changed") + "\n---\n" + user
        await bench.refresh_all()
        assert "user:default/root" not in await bench.names()
        assert "is not of an allowed kind for that location" in await problems(bench)
        assert (await bench.entity("component:default/first"))["spec"]["type"] == "service", "the last good state"


async def test_d3_kinds_may_be_limited_to_a_type(sqlite_database: Database, tmp_path: Path) -> None:
    rules = [
        {"allow": ["Location"]},
        {"allow": ["Component"], "locations": [{"type": "file"}]},
        {"allow": [{"kind": "Component", "spec.type": "service"}], "locations": [{"type": "url"}]},
    ]
    async with attacked(sqlite_database, tmp_path, component("service"), rules=rules) as bench:
        assert "component:default/service" in await bench.names()
        bench.reader.pages[PAGE] = component("website", type="website")
        await bench.refresh_all()
        assert "component:default/website" not in await bench.names()
        assert "is not of an allowed kind for that location" in await problems(bench)


async def test_d4_a_name_that_is_taken_cannot_be_stolen(sqlite_database: Database, tmp_path: Path) -> None:
    page = component("good", owner="thief") + "\n---\n" + component("own")
    async with attacked(sqlite_database, tmp_path, page) as bench, serving(bench) as catalog:
        assert (await bench.entity("component:default/good"))["spec"]["owner"] == "team-a"
        assert "component:default/own" in await bench.names()
        report = await catalog.get("/understage/v1/reports/by-entity/component/default/good")
        [conflict] = report["conflicts"]
        assert conflict["outcome"] == "held"
        assert PAGE in conflict["claimant"]["location"]


async def test_d5_annotations_that_run_scripts_are_not_served(sqlite_database: Database, tmp_path: Path) -> None:
    marks = '  annotations: {backstage.io/view-url: " java\\tscript:alert(1)", backstage.io/edit-url: "JavaScript:x"}\n'
    async with attacked(sqlite_database, tmp_path, HEADER + marks + SPEC) as bench:
        annotations = (await bench.entity("component:default/attacker"))["metadata"]["annotations"]
        rejected = "https://backstage.io/annotation-rejected-for-security-reasons"
        assert (annotations["backstage.io/view-url"], annotations["backstage.io/edit-url"]) == (rejected, rejected)


async def test_d5_links_are_checked_as_addresses_and_no_more(sqlite_database: Database, tmp_path: Path) -> None:
    """As the stock backend does, whose rule is an absolute address: what a page may follow is the page's own rule.

    A page that follows links must refuse scripts, as the stock page does.
    """
    served = ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "https://example.com/"]
    links = "".join(f"  - {{url: {json.dumps(url)}}}\n" for url in served)
    async with attacked(sqlite_database, tmp_path, f"{HEADER}  links:\n{links}{SPEC}") as bench:
        entity = await bench.entity("component:default/attacker")
        assert [link["url"] for link in entity["metadata"]["links"]] == served
        for refused in ("", "/relative", "no address"):
            bench.reader.pages[PAGE] = f"{HEADER}  links: [{{url: {json.dumps(refused)}}}]\n{SPEC}"
            await bench.refresh_all()
            entity = await bench.entity("component:default/attacker")
            assert [link["url"] for link in entity["metadata"]["links"]] == served, "the last good state"
            assert re.search(r"links[./]0[./]url", await problems(bench))


async def test_d6_circles_of_locations_come_to_rest(sqlite_database: Database, tmp_path: Path) -> None:
    second = "https://example.com/repo/second.yaml"
    page = location("self", PAGE) + "\n---\n" + location("other", second) + "\n---\n" + component("inside")
    async with attacked(sqlite_database, tmp_path, page) as bench:
        bench.reader.pages[second] = location("back", PAGE) + "\n---\n" + location("self", PAGE)
        await bench.refresh_all()
        await bench.refresh_all()
        assert "component:default/inside" in await bench.names()
        [registered] = await bench.service.list_locations()
        await bench.service.delete_location(registered.id)
        await bench.settle()
        while await bench.engine.delete_orphans():
            await bench.settle()
        assert await bench.names() == ["component:default/good"], "nothing holds itself"


async def test_d6_a_location_with_too_many_children_is_refused_whole(sqlite_database: Database, tmp_path: Path) -> None:
    page = "\n---\n".join(component(f"child-{number}") for number in range(101))
    async with attacked(sqlite_database, tmp_path, page, mostChildren=100) as bench:
        assert await bench.names() == ["component:default/good"]
        assert "leads to more than 100 entities; catalog.mostChildren" in await problems(bench)
        bench.reader.pages[PAGE] = page.rpartition("\n---\n")[0]
        await bench.refresh_all()
        assert len(await bench.names()) == 101
        bench.reader.pages[PAGE] = page
        await bench.refresh_all()
        assert len(await bench.names()) == 101, "the last good state"
        assert "leads to more than 100 entities" in await problems(bench)


async def test_d6_a_location_with_too_many_targets_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    targets = [f"https://example.com/repo/{number}.yaml" for number in range(101)]
    async with attacked(sqlite_database, tmp_path, location("many", *targets), mostChildren=100) as bench:
        assert "has more than 100 targets; catalog.mostChildren" in await problems(bench)
        assert all(not url.endswith("/100.yaml") for url in bench.reader.sent)


async def test_d6_an_entity_of_ten_megabytes(sqlite_database: Database, tmp_path: Path) -> None:
    big = HEADER + "  description: " + "x" * (10 * 1024 * 1024) + "\n" + SPEC
    async with attacked(sqlite_database, tmp_path, big) as bench:
        assert await bench.names() == ["component:default/good"]
        assert "longer than the 10485760 bytes that are read" in await problems(bench)


async def test_d6_ten_thousand_annotations(database: Database, tmp_path: Path) -> None:
    annotations = "".join(f"    example.com/a{number}: v{number}\n" for number in range(10_000))
    page = HEADER + "  annotations:\n" + annotations + SPEC
    async with attacked(database, tmp_path, page) as bench, serving(bench) as catalog:
        found = await catalog.get("/entities?filter=metadata.annotations.example.com/a9999=v9999")
        assert [entity["metadata"]["name"] for entity in found] == ["attacker"]


INJECTIONS = [
    "' OR 1=1 --",
    "a'; DROP TABLE search; --",
    "$.metadata",
    "a\\",
    'a"',
    "%",
    "_",
    "a\x00b",
    "🦄" * 300,
    "][",
]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_d7_queries_are_data(database: Database, tmp_path: Path, text: str) -> None:
    async with attacked(database, tmp_path, component("one")) as bench, serving(bench) as catalog:
        asked: list[tuple[str, Any]] = [
            ("/entities", {"filter": f"{text}=x"}),
            ("/entities", {"filter": f"kind={text}"}),
            ("/entities", {"order": f"asc:{text}"}),
            ("/entities", {"fields": text}),
            ("/entities/by-query", {"orderField": f"{text},asc"}),
            ("/entities/by-query", {"fullTextFilterTerm": text, "fullTextFilterFields": "metadata.name"}),
            ("/entities/by-query", {"fullTextFilterTerm": "o", "fullTextFilterFields": text}),
            ("/entity-facets", {"facet": text}),
            ("/entities/by-query", {"cursor": base64.b64encode(text.encode()).decode()}),
            ("/understage/v1/reports", {"below": text}),
            ("/understage/v1/reports", {"location": text}),
        ]
        for path, query in asked:
            answer = await catalog.http.get(path, params=query)
            assert answer.status_code in (200, 400), (path, query, answer.text)
        for path, body in (
            ("/entities/by-query", {"query": {text: "x"}}),
            ("/entities/by-query", {"query": {"kind": {"$hasPrefix": text}}}),
            ("/entities/by-query", {"orderBy": [{"field": text, "order": "asc"}]}),
            ("/entities/by-refs", {"entityRefs": [text]}),
            ("/locations/by-query", {"query": {"target": text}}),
        ):
            answer = await catalog.http.post(path, json=body)
            assert answer.status_code in (200, 400), (path, body, answer.text)
        assert len(await catalog.names("filter=kind=component")) == 2


async def test_d7_a_forged_cursor_shows_nothing_more(database: Database, tmp_path: Path) -> None:
    page = "\n---\n".join(component(name, owner="team-b") for name in ("hidden", "secret"))
    async with attacked(database, tmp_path, page) as bench:
        rule = {
            "rule": "IS_ENTITY_OWNER",
            "resourceType": "catalog-entity",
            "params": {"claims": ["group:default/team-a"]},
        }
        policy = Policy(Conditional("catalog", "catalog-entity", parse_criteria(rule)))
        async with serving(bench, policy) as catalog:
            for cursor in (
                {"orderFields": [], "orderFieldValues": ["", ""], "isPrevious": False, "filter": {}, "totalItems": 99},
                {"orderFields": [], "orderFieldValues": [None, ""], "isPrevious": False, "totalItems": 99},
                {
                    "orderFields": [{"field": "metadata.name", "order": "asc"}],
                    "orderFieldValues": ["", ""],
                    "isPrevious": False,
                    "query": {"$any": [{"kind": "component"}, {"kind": "location"}]},
                    "totalItems": 99,
                },
            ):
                encoded = base64.b64encode(json.dumps(cursor).encode()).decode()
                answer = await catalog.http.get("/entities/by-query", params={"cursor": encoded})
                assert answer.status_code in (200, 400)
                assert "hidden" not in answer.text
                assert "secret" not in answer.text
            after = base64.b64encode(b'{"limit":100,"offset":0}').decode()
            names = [item["metadata"]["name"] for item in await catalog.get(f"/entities?after={after}")]
            assert names == ["good"]


async def test_d9_conditions_hold_in_every_question(database: Database, tmp_path: Path) -> None:
    page = "\n---\n".join([component("Mine", owner="Team-A"), component("theirs", owner="team-b")])
    async with attacked(database, tmp_path, page) as bench:
        for claims in (["group:default/team-a"], ["GROUP:default/Team-A"]):
            rule = {"rule": "IS_ENTITY_OWNER", "resourceType": "catalog-entity", "params": {"claims": claims}}
            policy = Policy(Conditional("catalog", "catalog-entity", parse_criteria(rule)))
            async with serving(bench, policy) as catalog:
                await assert_sees(catalog, {"good", "Mine"})
        nothing = {"rule": "HAS_METADATA", "resourceType": "catalog-entity", "params": {"key": "missing"}}
        async with serving(bench, Policy(Conditional("catalog", "catalog-entity", parse_criteria(nothing)))) as catalog:
            await assert_sees(catalog, set())


async def assert_sees(catalog: Catalog, names: set[str]) -> None:
    """Lists, pages, facets, references, names and ancestry agree."""
    assert {entity["metadata"]["name"] for entity in await catalog.get("/entities")} == names
    page = await catalog.get("/entities/by-query")
    assert {entity["metadata"]["name"] for entity in page["items"]} == names
    assert page["totalItems"] == len(names)
    facets = (await catalog.get("/entity-facets?facet=metadata.name"))["facets"]["metadata.name"]
    assert {item["value"] for item in facets} == names
    refs = [f"component:default/{name}" for name in ("good", "mine", "theirs")]
    found = (await catalog.post("/entities/by-refs", {"entityRefs": refs}))["items"]
    assert {entity["metadata"]["name"] for entity in found if entity} == names
    for name in ("good", "Mine", "theirs"):
        single = await catalog.http.get(f"/entities/by-name/component/default/{name}")
        assert single.status_code == (200 if name in names else 404)
        above = await catalog.http.get(f"/entities/by-name/component/default/{name}/ancestry")
        assert above.status_code == (200 if name in names else 403)


HOSTILE = {
    "prototype": "__proto__: {polluted: true}\n  constructor: {prototype: {polluted: true}}\n  __class__: x",
    "huge-integer": "value: 123456789012345678901234567890123456789012345678901234567890",
    "huge-float": "value: 1e400",
    "not-a-number": "value: .nan",
    "zero-byte": 'value: "a\\0b"',
    "surrogate": 'value: "\\uD800"',
    "duplicate": "value: 1\n  value: 2",
    "merge": "<<: {value: 1}",
    "python": "value: !!python/object/apply:os.system ['id']",
    "tabs": "value:\n\t- 1",
    "octal": "value: 012\n  other: 0o14\n  country: no\n  time: 12:30",
    "bom": "value: \ufeffx",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_b4_hostile_keys_and_values(database: Database, tmp_path: Path, name: str) -> None:
    page = HEADER + "spec:\n  type: service\n  lifecycle: production\n  owner: team-a\n  " + HOSTILE[name] + "\n"
    async with attacked(database, tmp_path, page) as bench, serving(bench) as catalog:
        # Served as data, or refused with words; never half.
        served = "component:default/attacker" in await bench.names()
        assert served != bool(await problems(bench))
        answer = await catalog.http.get("/entities")
        assert answer.status_code == 200
        assert len(answer.json()) == len(await bench.entities())


BOMBS = {
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)),
    "depth": "a: " + "[" * 100_000,
    "block-depth": "".join(" " * n + "a:\n" for n in range(2000)),
    "self-alias": "a: &a [*a]\n",
    "documents": "---\n" * 200_000 + "a: 1\n",
    "long-key": "? " + "k" * 2_000_000 + "\n: 1\n",
}


@pytest.mark.parametrize("name", BOMBS)
async def test_b5_yaml_bombs(sqlite_database: Database, tmp_path: Path, name: str) -> None:
    async with attacked(sqlite_database, tmp_path, BOMBS[name]) as bench:
        assert await bench.names() == ["component:default/good"]
        said = await problems(bench)
        assert said
        assert len(said) < 10_000, "an error is no copy of the bomb"
