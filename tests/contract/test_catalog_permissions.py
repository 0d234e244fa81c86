"""Both backends under the same decisions about permissions: what is listed, counted, told and refused is the same.

And for ours alone: whatever the conditions, all ways of reading agree about which entities there are.
"""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract import generated
from tests.contract.cases import Case
from tests.contract.generated import get, post
from tests.contract.pair import Pair, compare
from tests.contract.policy import DENY, SERVICE_TOKEN, conditional, rule
from tests.contract.tally import ON_PURPOSE, note

READ = "catalog.entity.read"
CONDITIONS = {
    "kind": rule("IS_ENTITY_KIND", kinds=["User", "Component"]),
    "kind, in another case": rule("IS_ENTITY_KIND", kinds=["uSER"]),
    "no kind": rule("IS_ENTITY_KIND", kinds=[]),
    "owner": rule("IS_ENTITY_OWNER", claims=["user:default/guest", "group:default/team-a"]),
    "annotation": rule("HAS_ANNOTATION", annotation="github.com/project-slug"),
    "annotation with a value": rule("HAS_ANNOTATION", annotation="github.com/project-slug", value="ORG/comp"),
    "label": rule("HAS_LABEL", label="region"),
    "label with a value": rule("HAS_LABEL", label="example.com/team", value="red"),
    "metadata": rule("HAS_METADATA", key="tags.java"),
    "an item of an array": rule("HAS_METADATA", key="tags", value="JAVA"),
    "spec": rule("HAS_SPEC", key="nothing"),
    "spec with a value": rule("HAS_SPEC", key="type", value="service"),
    "null is no value": rule("HAS_SPEC", key="nothing", value="null"),
    "any": {"anyOf": [rule("IS_ENTITY_KIND", kinds=["User"]), rule("HAS_SPEC", key="type", value="website")]},
    "all": {"allOf": [rule("IS_ENTITY_KIND", kinds=["Component"]), rule("HAS_METADATA", key="tags")]},
    "not": {"not": rule("IS_ENTITY_KIND", kinds=["Location"])},
    "nested": {"not": {"anyOf": [{"allOf": [rule("HAS_SPEC", key="system"), rule("HAS_LABEL", label="region")]}]}},
}
REFS = [
    "component:default/comp-a",
    "user:default/bob",
    "domain:default/dom",
    "location:default/ref-all",
    "nope:default/x",
]
QUESTIONS = [
    get("/entities?fields=kind,metadata.name"),
    get("/entities?limit=3&fields=metadata.name"),
    get("/entities/by-query?limit=2&orderField=metadata.name,asc&fields=metadata.name"),
    get("/entities/by-query?limit=0&filter=kind=component"),
    get("/entity-facets?facet=kind&facet=metadata.tags&facet=spec.type"),
    get("/entity-facets?facet=kind&filter=metadata.tags=java"),
    post("/entity-facets", {"facets": ["kind"], "query": {"$not": {"kind": "user"}}}),
    post("/entities/by-refs", {"entityRefs": REFS, "fields": ["metadata.name"]}),
    post("/entities/by-query", {"query": {"kind": "component"}, "limit": 3, "fields": ["metadata.name"]}),
    *(get(f"/entities/by-name/{ref.replace(':', '/')}") for ref in REFS),
    get("/entities/by-name/nope/default/x/ancestry"),
]


def expect_the_same(pair: Pair, case: Case) -> None:
    if difference := compare(*pair.ask(case)):
        pytest.fail(f"{case.id}\n{difference}", pytrace=False)


@pytest.mark.parametrize("decision", [*CONDITIONS, "deny"])
def test_what_a_user_may_not_read_is_not_there(pair: Pair, decision: str) -> None:
    verdict = DENY if decision == "deny" else conditional(CONDITIONS[decision])
    with pair.policy.deciding({READ: verdict}):
        for case in QUESTIONS:
            expect_the_same(pair, case)


def test_a_denied_ancestry_is_refused_and_says_no_more(pair: Pair) -> None:
    with pair.policy.deciding({READ: DENY}):
        for ref in REFS:
            expect_the_same(pair, get(f"/entities/by-name/{ref.replace(':', '/')}/ancestry"))


def test_the_origin_of_a_hidden_entity_is_not_told(pair: Pair) -> None:
    """The stock answer looks at the entity whoever asks: `hidden-origins` of docs/differences.md."""
    case = get("/locations/by-entity/component/default/comp-a")
    with pair.policy.deciding({READ: DENY}):
        stock, ours = pair.ask(case)
    assert stock.status == ours.status == 404
    assert ours.body["error"]["message"] == "found no entity for ref component:default/comp-a"
    assert "checklist.yaml" in stock.body["error"]["message"]
    expect_the_same(pair, case)
    note(ON_PURPOSE)


def test_hidden_ancestors_are_left_out_and_not_named(pair: Pair) -> None:
    """The stock answer still names them as parents: `hidden-ancestors` of docs/differences.md."""
    case = get("/entities/by-name/domain/default/dom/ancestry")
    with pair.policy.deciding({READ: conditional(CONDITIONS["not"])}):
        stock, ours = pair.ask(case)
    [item] = ours.body["items"]
    assert item["entity"] == stock.body["items"][0]["entity"]
    assert len(stock.body["items"]) == 1
    assert item["parentEntityRefs"] == []
    assert stock.body["items"][0]["parentEntityRefs"]
    note(ON_PURPOSE)


VALID = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": "valid"},
    "spec": {"type": "service", "lifecycle": "production", "owner": "team-a"},
}
MUTATIONS: dict[str, tuple[str, Case]] = {
    "refresh": ("catalog.entity.refresh", post("/refresh", {"entityRef": "component:default/comp-a"})),
    "validate": ("catalog.entity.validate", post("/validate-entity", {"entity": VALID, "location": "url:https://x/y"})),
    "delete": ("catalog.entity.delete", Case("delete", "DELETE", "/api/catalog/entities/by-uid/nope")),
    "analyze": (
        "catalog.location.analyze",
        post("/analyze-location", {"location": {"type": "url", "target": "https://x/y"}}),
    ),
    "create": ("catalog.location.create", post("/locations", {"type": "url", "target": "https://x/y"})),
    "dry run": ("catalog.location.create", post("/locations?dryRun=true", {"type": "url", "target": "https://x/y"})),
    "update": (
        "catalog.location.create",
        Case("put", "PUT", f"/api/catalog/locations/{'0' * 8}-{'0000-' * 3}{'0' * 12}", {"json": {"type": "url", "target": "x"}}),
    ),
    "remove": (
        "catalog.location.delete",
        Case("delete", "DELETE", f"/api/catalog/locations/{'0' * 8}-{'0000-' * 3}{'0' * 12}"),
    ),
    "list locations": ("catalog.location.read", get("/locations")),
    "query locations": ("catalog.location.read", post("/locations/by-query", {})),
    "a location": ("catalog.location.read", get("/locations/x")),
    "location of an entity": ("catalog.location.read", get("/locations/by-entity/component/default/comp-a")),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_denied_permissions_are_refused_alike(pair: Pair, name: str) -> None:
    permission, case = MUTATIONS[name]
    with pair.policy.deciding({permission: DENY}):
        expect_the_same(pair, case)


def test_the_token_in_the_body_of_a_refresh_counts_in_place_of_the_callers(pair: Pair) -> None:
    """A service is not asked about, whatever its caller may do."""
    body = {"entityRef": "component:default/comp-a", "authorizationToken": SERVICE_TOKEN}
    with pair.policy.deciding({"catalog.entity.refresh": DENY}):
        expect_the_same(pair, post("/refresh", body))
        assert pair.send(pair.ours, "POST", "/api/catalog/refresh", json=body).status_code == 200


def test_an_entity_that_does_not_match_is_not_deleted(pair: Pair) -> None:
    users = pair.send(pair.ours, "GET", "/api/catalog/entities?filter=kind=user").json()
    with pair.policy.deciding({"catalog.entity.delete": conditional(rule("IS_ENTITY_KIND", kinds=["Component"]))}):
        for uid in (users[0]["metadata"]["uid"], "nope"):
            expect_the_same(pair, Case("delete", "DELETE", f"/api/catalog/entities/by-uid/{uid}"))


def test_unknown_rules_and_bad_parameters_fail_and_show_nothing(pair: Pair) -> None:
    for conditions, status, text in (
        (rule("NOPE"), 500, "Permission rule 'NOPE' does not exist for resource type 'catalog-entity'"),
        (rule("IS_ENTITY_KIND", kinds="User"), 400, "Parameters to rule are invalid"),
        (rule("HAS_LABEL"), 400, "Parameters to rule are invalid"),
    ):
        with pair.policy.deciding({READ: conditional(conditions)}):
            stock, ours = pair.ask(get("/entities/by-query"))
        for answer in (stock, ours):
            assert answer.status == status
            assert answer.body["error"]["message"].startswith(text)


def test_a_service_is_not_asked_about(pair: Pair) -> None:
    with pair.policy.deciding({READ: DENY}):
        seen = [
            backend.request("GET", "/api/catalog/entities", token=SERVICE_TOKEN).json()
            for backend in (pair.stock, pair.ours)
        ]
    assert len(seen[0]) == len(seen[1]) > 50


specs = st.builds(
    lambda key, value: rule("HAS_SPEC", key=key, value=value),
    st.sampled_from(("type", "owner", "many", "nothing", "TEXTS")),
    generated.values,
)
leaves = st.one_of(
    st.lists(st.sampled_from(("Component", "user", "LOCATION", "api")), max_size=2).map(
        lambda kinds: rule("IS_ENTITY_KIND", kinds=kinds)
    ),
    st.sampled_from(list(CONDITIONS.values())[3:13]),
    specs,
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(trees, generated.forged_cursors())
def test_all_ways_of_reading_agree(pair: Pair, conditions: dict[str, Any], cursor: str) -> None:
    def ask(method: str, path: str, **options: Any) -> Any:
        return pair.send(pair.ours, method, f"/api/catalog{path}", **options).json()

    def names(entities: list[dict[str, Any]]) -> set[str]:
        return {_ref(entity) for entity in entities}

    everything = names(ask("GET", "/entities"))
    with pair.policy.deciding({READ: conditional(conditions)}):
        readable = names(ask("GET", "/entities"))
        page = ask("GET", "/entities/by-query?limit=1000")
        found = ask("POST", "/entities/by-refs", json={"entityRefs": sorted(everything)})["items"]
        kinds = ask("GET", "/entity-facets?facet=kind")["facets"]["kind"]
        walked = ask("GET", f"/entities/by-query?limit=1000&cursor={quote(cursor)}").get("items", [])
        ancestors = ask("GET", "/entities/by-name/component/default/comp-a/ancestry").get("items", [])
    assert names(page["items"]) == readable
    assert page["totalItems"] == len(readable)
    assert names([entity for entity in found if entity]) == readable
    assert sum(item["count"] for item in kinds) == len(readable)
    assert names(walked) <= readable, "a forged cursor shows no more"
    assert names([item["entity"] for item in ancestors]) <= readable
    assert ("component:default/comp-a" in readable) == bool(ancestors)


def _ref(entity: dict[str, Any]) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata['namespace']}/{metadata['name']}".lower()


def test_a_condition_whose_rule_nobody_knows_is_answered_alike(pair: Pair) -> None:
    path = "/api/catalog/.well-known/backstage/permissions/apply-conditions"
    question = {
        "id": "1",
        "resourceRef": [REFS[0]],
        "resourceType": "catalog-entity",
        "conditions": {"rule": "IS_NICE", "resourceType": "catalog-entity", "params": {}},
    }
    stock, ours = (
        backend.request("POST", path, token=SERVICE_TOKEN, json={"items": [question]})
        for backend in (pair.stock, pair.ours)
    )
    if difference := compare(*pair.normalised(stock, ours)):
        pytest.fail(difference, pytrace=False)
