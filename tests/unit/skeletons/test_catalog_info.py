"""The platform's own entities: valid by the catalog's rules, and every reference leads somewhere."""

from pathlib import Path
from typing import Any

import pytest

from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import check_kind, relations_of
from understage.model.yaml import parse_documents

ROOT = Path(__file__).parents[3]


def read(path: Path) -> list[dict[str, Any]]:
    return [document.value for document in parse_documents(path.read_bytes(), path.name)]


def reachable(path: Path) -> list[dict[str, Any]]:
    """The entities of a file and of the locations in it."""
    entities = read(path)
    for entity in list(entities):
        if entity["kind"] == "Location":
            for target in entity["spec"]["targets"]:
                entities += reachable(path.parent / target)
    return entities


PLATFORM = reachable(ROOT / "catalog-info" / "all.yaml")
TEMPLATES = reachable(ROOT / "skeletons" / "all.yaml")


def ref(entity: dict[str, Any]) -> str:
    return f"{entity['kind']}:{entity['metadata'].get('namespace', 'default')}/{entity['metadata']['name']}".lower()


@pytest.mark.parametrize("entity", [*PLATFORM, *TEMPLATES], ids=ref)
def test_each_entity_is_valid(entity: dict[str, Any]) -> None:
    assert check_kind(check_policies(check_envelope(entity)))


def test_names_are_unique() -> None:
    refs = [ref(entity) for entity in [*PLATFORM, *TEMPLATES]]
    assert sorted(set(refs)) == sorted(refs)


def test_every_reference_leads_to_an_entity() -> None:
    known = {ref(entity) for entity in [*PLATFORM, *TEMPLATES]}
    for entity in [*PLATFORM, *TEMPLATES]:
        for relation in relations_of(check_envelope(entity)):
            for end in (relation.source, relation.target):
                assert end in known, f"{ref(entity)} refers to {end}"


def test_every_file_is_reached() -> None:
    listed = {target.removeprefix("./") for target in read(ROOT / "catalog-info" / "all.yaml")[0]["spec"]["targets"]}
    assert listed == {path.name for path in (ROOT / "catalog-info").glob("*.yaml")} - {"all.yaml"}
    offered = {target.removeprefix("./") for target in read(ROOT / "skeletons" / "all.yaml")[0]["spec"]["targets"]}
    assert offered == {str(path.relative_to(ROOT / "skeletons")) for path in ROOT.glob("skeletons/*/template.yaml")}


def test_the_guest_is_a_member_of_a_team() -> None:
    guest = next(entity for entity in PLATFORM if ref(entity) == "user:default/guest")
    teams = {entity["metadata"]["name"] for entity in PLATFORM if entity["kind"] == "Group"}
    assert set(guest["spec"]["memberOf"]) <= teams
    assert guest["spec"]["memberOf"]


def test_api_definitions_are_openapi_documents_of_paths_that_start_with_a_slash() -> None:
    apis = [entity for entity in PLATFORM if entity["kind"] == "API"]
    assert len(apis) == 2
    for api in apis:
        definition = parse_documents(api["spec"]["definition"])[0].value
        assert definition["openapi"].startswith("3.")
        assert definition["paths"]
        assert all(path.startswith("/") for path in definition["paths"])
