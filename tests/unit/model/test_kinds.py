"""Messages were compared with those of Backstage catalog-model 1.10.1 and scaffolder-common 2.3.0."""

from typing import Any

import pytest

from understage.model.kinds import KindError, builtin_kinds, check_kind, relations_of, sort_references
from understage.model.ref import IncompleteRefError, RefSyntaxError
from understage.model.template import API_VERSION

MINIMAL: dict[str, dict[str, Any]] = {
    "API": {"type": "openapi", "lifecycle": "production", "owner": "team", "definition": "openapi: 3.1.0"},
    "Component": {"type": "service", "lifecycle": "production", "owner": "team"},
    "Domain": {"owner": "team"},
    "Group": {"type": "team", "children": []},
    "Location": {},
    "Resource": {"type": "database", "owner": "team"},
    "System": {"owner": "team"},
    "Template": {"type": "service", "steps": []},
    "User": {"memberOf": []},
}


def entity(kind: str, spec: Any, namespace: str = "eu") -> dict[str, Any]:
    version = API_VERSION if kind == "Template" else "backstage.io/v1alpha1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "It", "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize("kind", builtin_kinds())
def test_minimal_entity_is_valid_and_every_required_field_is_named(kind: str) -> None:
    assert check_kind(entity(kind, MINIMAL[kind]))
    assert check_kind(entity(kind, {**MINIMAL[kind], "unknown": {"kept": True}}))
    for field in MINIMAL[kind]:
        rest = {name: value for name, value in MINIMAL[kind].items() if name != field}
        with pytest.raises(KindError) as caught:
            check_kind(entity(kind, rest))
        assert str(caught.value) == f"/spec must have required property '{field}' - missingProperty: {field}"


def test_foreign_kind_or_version_is_for_others_to_judge() -> None:
    assert not check_kind(entity("component", {}))
    assert not check_kind(entity("Workflow", {}))
    assert not check_kind({**entity("Component", {}), "apiVersion": "backstage.io/v2"})
    assert check_kind({**entity("Component", MINIMAL["Component"]), "apiVersion": "backstage.io/v1beta1"})
    assert not check_kind({**entity("Template", MINIMAL["Template"]), "apiVersion": "backstage.io/v1alpha1"})


@pytest.mark.parametrize(
    ("kind", "change", "first"),
    [
        ("Component", {"owner": None}, "/spec/owner must be string - type: string"),
        ("Component", {"dependsOn": ["a", ""]}, "/spec/dependsOn/1 must NOT have fewer than 1 characters - limit: 1"),
        ("Component", {"dependsOn": "a"}, "/spec/dependsOn must be array - type: array"),
        (
            "Location",
            {"presence": "no"},
            "/spec/presence must be equal to one of the allowed values - allowedValues: required,optional",
        ),
        ("User", {"profile": {"email": 1}, "memberOf": "x"}, "/spec/profile/email must be string - type: string"),
        ("Template", {"steps": [{"id": "a"}]}, "/spec/steps/0 must have required property 'action' - missingProperty: action"),
        ("Template", {"steps": [{"action": "a", "if": 1}]}, "/spec/steps/0/if must be string,boolean - type: string,boolean"),
        ("Template", {"parameters": "x"}, "/spec/parameters must be object - type: object"),
        ("Template", {"output": {"url": 1}}, "/spec/output/url must be string - type: string"),
    ],
)  # fmt: skip
def test_first_violation_is_the_one_that_ajv_reports(kind: str, change: dict[str, Any], first: str) -> None:
    with pytest.raises(KindError) as caught:
        check_kind(entity(kind, {**MINIMAL[kind], **change}))
    assert str(caught.value) == first


def test_all_violations_are_kept_with_their_paths() -> None:
    with pytest.raises(KindError) as caught:
        check_kind(entity("Component", {"type": 1, "dependsOn": [2]}))
    found = [(violation.pointer, violation.keyword) for violation in caught.value.violations]
    assert found == [
        ("/spec", "required"),
        ("/spec", "required"),
        ("/spec/type", "type"),
        ("/spec/dependsOn/0", "type"),
    ]


def test_component_makes_its_relations_in_both_directions() -> None:
    spec = {
        "owner": "Team",
        "system": "user:Other/S",
        "subcomponentOf": "whole",
        "providesApis": ["a"],
        "consumesApis": ["b"],
        "dependsOn": ["resource:db"],
        "dependencyOf": ["component:us/c"],
    }
    found = list(relations_of(entity("Component", spec)))
    assert found[::2] == [
        ("component:eu/it", "ownedBy", "group:eu/team"),
        ("component:eu/it", "partOf", "component:eu/whole"),
        ("component:eu/it", "providesApi", "api:eu/a"),
        ("component:eu/it", "consumesApi", "api:eu/b"),
        ("component:eu/it", "dependsOn", "resource:eu/db"),
        ("component:eu/it", "dependencyOf", "component:us/c"),
        ("component:eu/it", "partOf", "user:other/s"),
    ]
    assert found[1] == ("group:eu/team", "ownerOf", "component:eu/it")
    assert found[11] == ("component:us/c", "dependsOn", "component:eu/it")


@pytest.mark.parametrize(
    ("kind", "spec", "forward", "reverse"),
    [
        ("User", {"memberOf": ["a"]}, ("memberOf", "group:eu/a"), "hasMember"),
        ("Group", {"parent": "a"}, ("childOf", "group:eu/a"), "parentOf"),
        ("Group", {"children": ["a"]}, ("parentOf", "group:eu/a"), "childOf"),
        ("Group", {"members": ["a"]}, ("hasMember", "user:eu/a"), "memberOf"),
        ("System", {"domain": "a"}, ("partOf", "domain:eu/a"), "hasPart"),
        ("Domain", {"subdomainOf": "a"}, ("partOf", "domain:eu/a"), "hasPart"),
        ("API", {"system": "a"}, ("partOf", "system:eu/a"), "hasPart"),
        ("Resource", {"dependsOn": ["component:a"]}, ("dependsOn", "component:eu/a"), "dependencyOf"),
        ("Template", {"owner": "user:a"}, ("ownedBy", "user:eu/a"), "ownerOf"),
    ],
)
def test_every_kind_makes_its_relations(
    kind: str, spec: dict[str, Any], forward: tuple[str, str], reverse: str
) -> None:
    own = f"{kind.lower()}:eu/it"
    assert list(relations_of(entity(kind, spec))) == [(own, *forward), (forward[1], reverse, own)]


def test_location_and_foreign_kinds_make_none() -> None:
    assert list(relations_of(entity("Location", {"owner": "a"}))) == []
    assert list(relations_of(entity("Workflow", {"owner": "a"}))) == []


def test_reference_without_kind_where_none_is_implied_is_an_error() -> None:
    with pytest.raises(IncompleteRefError, match='"db" had missing or empty kind'):
        list(relations_of(entity("Component", {"dependsOn": ["db"]})))
    with pytest.raises(RefSyntaxError, match='"a:" was not on the form'):
        list(relations_of(entity("Component", {"owner": "a:"})))


def test_lists_of_references_are_sorted_by_code_units() -> None:
    source = entity("Component", {"dependsOn": ["b", "a", "\U0001f600", "\uffee", "B"], "tags": ["z", "a"]})
    assert sort_references(source)["spec"] == {"dependsOn": ["B", "a", "b", "\U0001f600", "\uffee"], "tags": ["z", "a"]}
    assert source["spec"]["dependsOn"][0] == "b"
    for unchanged in ({"dependsOn": ["a", "b"]}, {"dependsOn": ["b", 1]}, {"dependsOn": "x"}, None):
        same = entity("Component", unchanged)
        assert sort_references(same) is same
