"""Validation of single entities, as the import page asks for it before it makes a pull request."""

from pathlib import Path
from typing import Any

import pytest
from tests.store.catalog_bench import running

from understage.errors import InputError
from understage.platform.database import Database

AT = "url:https://example.com/repo/catalog-info.yaml"
SPEC = {"type": "service", "lifecycle": "x", "owner": "o"}


def entity(**changes: Any) -> dict[str, Any]:
    base = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "x"}, "spec": SPEC}
    return {**base, **changes}


async def test_a_valid_entity_has_no_errors(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        assert await bench.service.validate_entity(entity(), AT) == []
        assert await bench.service.validate_entity(entity(spec={**SPEC, "owner": "a:b:c"}), AT) == []
        template = entity(
            apiVersion="scaffolder.backstage.io/v1beta3", kind="Template", spec={"type": "service", "steps": []}
        )
        assert await bench.service.validate_entity(template, AT) == []
        assert await bench.engine.is_idle()


@pytest.mark.parametrize(
    ("value", "at", "name", "message"),
    [
        (
            {"kind": "Component", "metadata": {"name": "x"}},
            AT,
            "TypeError",
            "<root> must have required property 'apiVersion' - missingProperty: apiVersion",
        ),
        (
            entity(),
            "file:/a/b",
            "TypeError",
            "Invalid location ref file:/a/b, only 'url:<target>' is supported, e.g. url:https://host/path",
        ),
        (
            entity(),
            "http://a/b",
            "TypeError",
            "Invalid location ref 'http://a/b', please prefix it with 'url:', e.g. 'url:http://a/b'",
        ),
        (
            entity(spec={"type": "service", "owner": "o"}),
            AT,
            "InputError",
            "Processor BuiltinKindsEntityProcessor threw an error while validating the entity component:default/x; "
            "caused by TypeError: /spec must have required property 'lifecycle' - missingProperty: lifecycle",
        ),
        (
            entity(kind="Foo"),
            AT,
            "InputError",
            "No processor recognized the entity foo:default/x as valid, possibly caused by a foreign kind or apiVersion",
        ),
        (
            entity(apiVersion="backstage.io/v1beta3", kind="Template", spec={"type": "service", "steps": []}),
            AT,
            "InputError",
            "No processor recognized the entity template:default/x as valid, "
            "possibly caused by a foreign kind or apiVersion",
        ),
        (
            entity(relations=[]),
            AT,
            "InputError",
            "Policy check failed for component:default/x; caused by Error: Unknown field relations",
        ),
        (
            entity(spec={**SPEC, "dependsOn": ["nokind"]}),
            AT,
            "InputError",
            "Processor BuiltinKindsEntityProcessor threw an error while postprocessing; caused by Error: "
            'Entity reference "nokind" had missing or empty kind (e.g. did not start with "component:" or similar)',
        ),
    ],
)
async def test_what_is_wrong_is_said_in_the_stock_words(
    sqlite_database: Database, tmp_path: Path, value: Any, at: str, name: str, message: str
) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        [error] = await bench.service.validate_entity(value, at)
    assert (error["name"], error["message"]) == (name, message)


@pytest.mark.parametrize(
    ("target", "name", "annotations"),
    [
        ("https://github.com/a/b/blob/main/x.yaml", "b", {"github.com/project-slug": "a/b"}),
        ("https://gitlab.com/g/sg/b", "b", {"gitlab.com/project-slug": "g/sg/b"}),
        ("https://git.example.com/a/b.git", "b", None),
    ],
)
async def test_a_component_is_proposed_for_a_repository(
    sqlite_database: Database, tmp_path: Path, target: str, name: str, annotations: dict[str, str] | None
) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        analysis = await bench.service.analyze_location("url", target)
    assert analysis["existingEntityFiles"] == []
    [generated] = analysis["generateEntities"]
    assert generated["fields"] == []
    assert generated["entity"]["metadata"] == {"name": name, **({"annotations": annotations} if annotations else {})}
    assert generated["entity"]["spec"] == {"type": "other", "lifecycle": "unknown"}


async def test_only_urls_are_analyzed(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        with pytest.raises(InputError, match=r"^The given location.target is not a URL$"):
            await bench.service.analyze_location("url", "nope")
