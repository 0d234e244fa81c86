import pytest

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, StartsWith
from understage.catalog.query.filter import parse_filters, parse_legacy_filter, wire_of_filters
from understage.catalog.query.predicates import clean_predicate, parse_predicate
from understage.errors import InputError


@pytest.mark.parametrize(
    ("filters", "predicate"),
    [
        ([], EVERYTHING),
        ([",, ,"], EVERYTHING),
        (["kind=Component"], In("kind", ("component",))),
        (["spec.type"], Has("spec.type")),
        (["spec.type="], In("spec.type", ("",))),
        (["kind=system,kind=domain"], In("kind", ("system", "domain"))),
        (["kind,kind=api"], In("kind", ("api",))),
        ([" kind = api , metadata.name "], All((In("kind", ("api",)), Has("metadata.name")))),
        (["kind=api", "kind=user"], Any((In("kind", ("api",)), In("kind", ("user",))))),
        (["metadata.annotations.a/b=x=y"], In("metadata.annotations.a/b", ("x=y",))),
    ],
)
def test_filters_are_ored_sets_of_anded_statements(filters: list[str], predicate: object) -> None:
    assert parse_filters(filters) == predicate


def test_a_statement_without_a_key_is_refused() -> None:
    with pytest.raises(InputError, match="Invalid filter, '=x' is not a valid statement"):
        parse_filters(["=x"])


@pytest.mark.parametrize(
    ("query", "predicate"),
    [
        ({}, EVERYTHING),
        ({"kind": "Group"}, In("kind", ("group",))),
        ({"spec.size": 1.0, "spec.on": True}, All((In("spec.size", ("1",)), In("spec.on", ("true",))))),
        ({"$all": [{}, {"kind": {"$in": ["a", "B"]}}]}, All((EVERYTHING, In("kind", ("a", "b"))))),
        ({"$any": []}, Any(())),
        ({"$not": {"a": {"$exists": True}}}, Not(Has("a"))),
        ({"a": {"$exists": False}}, Not(Has("a"))),
        ({"a": {"$hasPrefix": "X"}}, StartsWith("a", "x")),
        ({"kind": {"$in": ["user"], "$exists": True}}, Has("kind")),
        ({"metadata.tags": {"$contains": "java"}}, In("metadata.tags", ("java",))),
        ({"relations": {"$contains": {"type": "ownedBy"}}}, Has("relations.ownedby")),
        (
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": {"$in": ["group:default/A"]}}}},
            In("relations.ownedby", ("group:default/a",)),
        ),
    ],
)
def test_predicates(query: object, predicate: object) -> None:
    assert parse_predicate(query) == predicate


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("x", "top-level primitive values are not supported"),
        (None, "Invalid query: Validation error"),
        ({"$all": [], "kind": "a"}, "Unrecognized key(s) in object: 'kind'"),
        ({"$foo": 1}, 'Invalid at "$foo"'),
        ({"a": None}, 'Invalid at "a"'),
        ({"a": {"$contains": {}}}, 'Object form of $contains is not supported for field "a"'),
        ({"relations": {"$contains": {}}}, 'requires a "type" string property'),
        ({"relations": {"$contains": {"type": "a", "x": 1}}}, 'Unsupported key "x" in $contains'),
        ({"relations": {"$contains": {"type": "a", "targetRef": {"$in": []}}}}, 'Empty "$in" array'),
    ],
)
def test_malformed_predicates_are_refused(query: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_predicate(query)
    assert message in caught.value.message


def test_a_predicate_of_a_thousand_levels_is_refused_not_followed() -> None:
    query: dict[str, object] = {"kind": "a"}
    for _ in range(1000):
        query = {"$not": query}
    with pytest.raises(InputError, match="levels"):
        parse_predicate(query)


def test_filters_go_into_cursors_as_predicates() -> None:
    filters = ["Kind=A,Kind=b,spec.x", "metadata.name=c"]
    wire = wire_of_filters(filters)
    assert wire == {
        "$any": [{"$all": [{"Kind": {"$in": ["A", "b"]}}, {"spec.x": {"$exists": True}}]}, {"metadata.name": "c"}]
    }
    assert parse_predicate(wire) == parse_filters(filters)
    assert wire_of_filters([", ,"]) is None


def test_what_does_not_count_is_left_out_of_a_predicate() -> None:
    assert clean_predicate({"kind": {"$in": ["user"], "$exists": True, "$foo": 1}}) == {"kind": {"$exists": True}}


def test_filters_of_old_cursors_are_understood() -> None:
    old = {"allOf": [{"key": "Kind", "values": ["A"]}, {"not": {"anyOf": [{"key": "spec.x"}]}}]}
    assert parse_legacy_filter(old) == All((In("kind", ("a",)), Not(Any((Has("spec.x"),)))))
    with pytest.raises(InputError, match="Malformed cursor"):
        parse_legacy_filter({"nope": 1})
