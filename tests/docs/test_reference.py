"""The generated pages are those of the code, and every configuration key is described where it belongs."""

import re
from pathlib import Path

import pytest
from tests.docs.configuration_page import is_covered, read_notes, setting_keys
from tests.docs.pages import COMMAND, PAGES, ROOT

SOURCES = [
    path.read_text("utf-8")
    for folder in ("backend/understage", "actions/understage_actions")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "config" not in path.relative_to(ROOT / folder).parts
]
# Attributes of the settings that the code reaches under another name: the property that clamps, the loop over levels,
# the plain data that readers of their own take apart.
READ_OTHERWISE = {
    "auth.backstageTokenExpiration": "token_lifetime",
    "backend.auditor.severityLogLevelMappings": "severityLevel",
    "catalog.import": "pullRequestBranchName",
    "auth.providers.guest": "dangerouslyAllowOutsideDevelopment",
    "kubernetes.clusterLocatorMethods": "clusterLocatorMethods",
    "argocd": "appLocatorMethods",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    page = ROOT / name
    assert page.exists(), f"{name} is missing: run `{COMMAND}`"
    assert page.read_text("utf-8") == PAGES[name](), f"{name} is out of date: run `{COMMAND}`, and commit what it wrote"


def test_every_configuration_key_is_described_or_said_to_have_no_effect() -> None:
    notes = read_notes()
    keys = [key.path for key in setting_keys()]
    acting = [key for key in keys if not is_covered(key, notes["without_effect"])]

    assert [key for key in acting if key not in notes["keys"]] == [], (
        "describe them in docs/reference/configuration.yaml"
    )
    assert [key for key in acting if not is_covered(key, notes["sections"])] == []


def test_nothing_is_described_that_the_code_does_not_know() -> None:
    notes = read_notes()
    keys = [key.path for key in setting_keys()]

    assert [key for key in notes["keys"] if key not in keys] == []
    assert [
        prefix for prefix in notes["without_effect"] if not any(is_covered(key, {prefix: ""}) for key in keys)
    ] == []


def test_keys_that_are_described_are_read_somewhere() -> None:
    """A guess by names: it finds the key that nobody reads, not every wrong half."""
    unread = []
    for key in setting_keys():
        if is_covered(key.path, read_notes()["without_effect"]):
            continue
        other = next((word for prefix, word in READ_OTHERWISE.items() if is_covered(key.path, {prefix: ""})), None)
        words = re.compile(
            rf"\b{other}\b" if other else rf"\.{key.attribute}\b|[\"']{key.path.rpartition('.')[2]}[\"']"
        )
        if not any(words.search(source) for source in SOURCES):
            unread.append(key.path)
    assert unread == [], "nothing reads these: move them to `without_effect` of docs/reference/configuration.yaml"


def test_environment_variables_of_the_pages_are_read() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))
    named = set(re.findall(r"`\$?(UNDERSTAGE_[A-Z_]+|LOG_LEVEL|BACKSTAGE_[A-Z]+)", text))
    code = "\n".join([*SOURCES, *(path.read_text("utf-8") for path in _others())])
    assert named
    assert [name for name in sorted(named) if name not in code] == []


def _others() -> list[Path]:
    return [*sorted((ROOT / "backend/understage/config").glob("*.py")), ROOT / "Makefile", ROOT / ".ci/run"]
