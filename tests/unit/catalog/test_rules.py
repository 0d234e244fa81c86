"""Which kinds may come from where."""

from pathlib import Path
from typing import Any

import pytest

from understage.catalog.glob import glob_matches
from understage.catalog.processing.rules import Rules
from understage.config.catalog_settings import CatalogSettings
from understage.model.ref import LocationRef

HERE = LocationRef("url", "https://example.com/a/b/catalog-info.yaml")


def allow(kind: str, origin: LocationRef = HERE, *, type: str | None = None, **catalog: Any) -> bool:
    rules = Rules(CatalogSettings.model_validate(catalog), Path("/base"))
    return rules.allow({"kind": kind, "spec": {"type": type} if type else {}}, origin)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("Component", True),
        ("component", True),
        ("API", True),
        ("Location", True),
        ("Group", False),
        ("Template", False),
    ],
)
def test_the_default_rules(kind: str, allowed: bool) -> None:
    assert allow(kind) is allowed


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"allow": ["Group"]}, True),
        ({"allow": ["group"]}, True),
        ({"allow": ["User"]}, False),
        ({"allow": ["Group"], "locations": []}, False),
        ({"allow": ["Group"], "locations": [{"type": "url"}]}, True),
        ({"allow": ["Group"], "locations": [{"type": "file"}]}, False),
        ({"allow": ["Group"], "locations": [{"type": "url", "exact": HERE.target}]}, True),
        ({"allow": ["Group"], "locations": [{"type": "url", "exact": HERE.target + "x"}]}, False),
        ({"allow": ["Group"], "locations": [{"type": "url", "pattern": "https://EXAMPLE.com/**/*.yaml"}]}, True),
        ({"allow": ["Group"], "locations": [{"type": "url", "pattern": "https://example.com/*.yaml"}]}, False),
        ({"allow": [{"kind": "Group", "spec.type": "TEAM"}]}, True),
        ({"allow": [{"kind": "Group", "spec.type": "unit"}]}, False),
    ],
)
def test_configured_rules(rule: dict[str, Any], allowed: bool) -> None:
    assert allow("Group", type="team", rules=[rule]) is allowed


def test_rules_of_a_configured_location_add_to_the_global_ones() -> None:
    locations = [{"type": "file", "target": "org.yaml", "rules": [{"allow": ["Group"]}]}]
    assert allow("Group", LocationRef("file", "/base/org.yaml"), locations=locations)
    assert allow("Component", LocationRef("file", "/base/org.yaml"), locations=locations)
    assert not allow("Group", LocationRef("file", "/base/other.yaml"), locations=locations)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "a/b.yaml", False),
        ("**/*.yaml", "a/b/c.yaml", True),
        ("**/*.yaml", "c.yaml", True),
        ("a/**", "a/b/.hidden", True),
        ("?.yaml", "a.yaml", True),
        ("?.yaml", "ab.yaml", False),
        ("{a,b}.yaml", "b.yaml", True),
        ("{a,b}.yaml", "c.yaml", False),
        ("[ab].yaml", "a.yaml", True),
        ("[!ab].yaml", "a.yaml", False),
        ("a.b", "axb", False),
        ("(a+)", "(a+)", True),
    ],
)
def test_globs(pattern: str, text: str, matches: bool) -> None:
    assert glob_matches(pattern, text) is matches
