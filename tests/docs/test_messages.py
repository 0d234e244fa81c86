"""The tables *When something is wrong*: their messages are those of the code, and what they say of kinds is so."""

import re
from collections.abc import Iterator

import pytest
from tests.docs.markdown import ROOT

from understage.model.kinds import builtin_kinds

GUIDES = ("developers", "catalog-files", "templates", "platform")
SHORTEST = 12
# What changes from one message to the next: names, values, places.
CHANGING = re.compile(r"…|'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[/:]\S*|\b\d+\b|;|debug:log")


@pytest.fixture(scope="module")
def sources() -> str:
    """The code as one line, texts that are written in several parts joined."""
    folders = ("backend/understage", "actions/understage_actions")
    text = "\n".join(path.read_text("utf-8") for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return " ".join(re.sub(r'"\s*\n\s*f?"', "", text).split())


def rows(guide: str, heading: str) -> Iterator[list[str]]:
    """The rows of the tables below a heading, without their heads."""
    page = (ROOT / f"docs/guides/{guide}.md").read_text("utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("guide", GUIDES)
def test_messages_are_those_of_the_code(guide: str, sources: str) -> None:
    said = [cells[0] for cells in rows(guide, "When something is wrong")][1:]
    assert len(said) >= 5
    quoted = [span for cell in said for pair in re.findall(r"`([^`]+)`|\*([^*]+)\*", cell) if (span := max(pair))]
    messages = [span for span in quoted if " " in span and not span.startswith("understage ")]
    unknown = []
    for message in messages:
        fragments = [part.strip(" ,;") for part in CHANGING.split(message)]
        if not any(len(part) >= SHORTEST and part in sources for part in fragments):
            unknown.append(message)
    assert messages
    assert unknown == []


def test_the_table_of_kinds_says_what_their_schemas_require() -> None:
    found = {}
    for cells in rows("catalog-files", "First file"):
        required = set(re.findall(r"`(\w+)`", cells[1].partition(";")[0]))
        found.update(dict.fromkeys((name.strip() for name in cells[0].split(",")), required))
    for name, kind in builtin_kinds().items():
        if name == "Template":
            continue
        entity = {"apiVersion": "backstage.io/v1alpha1", "kind": name, "metadata": {"name": "a"}, "spec": {}}
        missing = {violation.message.split("'")[1] for violation in kind.schema.violations(entity)}
        assert found[name] == missing, name
