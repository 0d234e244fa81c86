"""What the guides show can be used as it stands: entities, templates, configuration, code, metrics."""

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from tests.docs.configuration_page import is_covered, read_notes
from tests.docs.markdown import ROOT, Block, Page, pages

from understage.config.settings import Settings
from understage.config.substitution import Expander
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import find_kind
from understage.model.template import read_template
from understage.model.yaml import parse_document, parse_documents
from understage.portal.page_config import make_page_config
from understage.scaffolder.actions import ActionRegistry

BLOCKS = [(page, block) for page in pages() for block in page.blocks]
SECTIONS = set(Settings.model_fields)
EXAMPLES = ROOT / "docs/examples"


def named(pair: Any) -> str:
    return f"{pair.name}" if isinstance(pair, Page) else f"line {pair.line}"


def documents(block: Block) -> list[Any]:
    return [document.value for document in parse_documents(textwrap.dedent(block.text), "block")]


YAML = [(page, block) for page, block in BLOCKS if block.language == "yaml"]
IN_GUIDES = [(page, block) for page, block in YAML if page.name != "docs/reference/actions.md"]


@pytest.mark.parametrize(("page", "block"), YAML, ids=named)
def test_entities_and_templates_are_valid(page: Page, block: Block) -> None:
    for document in documents(block):
        if not isinstance(document, dict) or "kind" not in document:
            continue
        if document["kind"] == "Template":
            read_template(document)
        else:
            entity = check_policies(check_envelope(document))
            kind = find_kind(entity)
            assert kind is not None, f"{page.name}: the kind of {entity['metadata']['name']} is unknown"
            assert list(kind.schema.violations(entity)) == []


@pytest.mark.parametrize(("page", "block"), YAML, ids=named)
def test_steps_use_actions_as_they_are(page: Page, block: Block) -> None:
    registry = ActionRegistry.from_entry_points()
    for document in documents(block):
        for step in _steps(document):
            known = registry.get(step["action"]).input_schema()
            unknown = set(step.get("input") or {}) - set(known["properties"])
            missing = set(known.get("required", ())) - set(step.get("input") or {})
            assert (unknown, missing) == (set(), set()), f"{page.name}, step {step['id']}"


@pytest.mark.parametrize(("page", "block"), IN_GUIDES, ids=named)
def test_configuration_is_accepted_and_has_an_effect(page: Page, block: Block) -> None:
    for document in documents(block):
        if not isinstance(document, dict) or not set(document) <= SECTIONS:
            continue
        given = Expander(lambda _name: "1", lambda text, file: parse_document(text, file).value).expand(document, ROOT)
        settings = Settings.model_validate(given)
        assert list(_foreign(settings, "")) == []
        idle = read_notes()["without_effect"]
        assert [key for key in _paths(document) if is_covered(key, idle)] == []


def test_the_template_guide_shows_parts_of_its_example() -> None:
    """Line by line and in order, so that the page cannot tell another story than the example that runs."""
    names = ("template.yaml", "app-config.yaml", "new-library.test.yaml")
    sources = [(EXAMPLES / "new-library" / name).read_text("utf-8") for name in names]
    blocks = [block for block in Page(ROOT / "docs/guides/templates.md").blocks if block.language == "yaml"]
    assert blocks
    for block in blocks:
        assert any(_is_part(block.text, source) for source in sources), f"line {block.line} is not in the example"


def test_the_platform_guide_shows_parts_of_its_example() -> None:
    folders = [EXAMPLES / "acme-actions", EXAMPLES / "acme-providers"]
    sources = [path.read_text("utf-8") for folder in folders for path in sorted(folder.rglob("*.py"))]
    sources += [(folder / "pyproject.toml").read_text("utf-8") for folder in folders]
    page = Page(ROOT / "docs/guides/platform.md")
    blocks = [block for block in page.blocks if block.language in ("python", "toml")]
    assert len(blocks) == 7
    for block in blocks:
        assert any(_is_part(block.text, source) for source in sources), f"line {block.line} is not in the example"


def test_the_plugin_for_argo_cd_is_set_up_as_on_our_own_page() -> None:
    """Which is looked at with a browser: the same versions, and the same condition for its card."""
    blocks = Page(ROOT / "docs/guides/deployment.md").blocks
    (resolutions,) = [json.loads(block.text)["resolutions"] for block in blocks if block.language == "json"]
    package = json.loads((ROOT / "backend/understage/portal/frontend/package.json").read_text("utf-8"))
    plugin = "@roadiehq/backstage-plugin-argo-cd"
    assert resolutions == {f"{plugin}/{name}": version for name, version in package["overrides"][plugin].items()}
    told = [document for block in blocks if "overviewCard" in block.text for document in documents(block)]
    ((extension,),) = [document["app"]["extensions"] for document in told]
    instance = {"type": "config", "instances": [{"name": "main", "url": "https://argocd.example.com"}]}
    page = make_page_config({"argocd": {"appLocatorMethods": [instance]}})
    shown = next(each for each in page["app"]["extensions"] if extension.keys() & each.keys())
    ((card, said),) = extension.items()
    assert said["config"]["filter"] in shown[card]["config"]["filter"]["$any"]


def test_metrics_exist() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "backend/understage").rglob("*.py"))
    instruments = {name.replace(".", "_") for name in re.findall(r"[\"']([a-z_.]+)[\"']", sources)}
    spans = {
        span for page in pages() for span in page.spans if re.fullmatch(r"(catalog|scaffolder|http)_[a-z_]+", span)
    }
    assert spans
    assert [name for name in sorted(spans) if not instruments & {name, re.sub(r"(_seconds|_total)+$", "", name)}] == []


def test_paths_in_tables_and_text_exist() -> None:
    """`docs/…`, `tests/…` and the like in code; what the service writes is not in the repository."""
    roots = tuple(f"{entry.name}/" for entry in ROOT.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    missing = []
    for page in pages():
        for span in page.spans:
            if span.startswith(roots) and re.fullmatch(r"[\w./-]+", span) and not (ROOT / span).exists():
                missing.append((page.name, span))
    # Of a service's own repository, not of this one.
    assert [found for found in missing if not found[1].startswith("deploy/")] == []


def _steps(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        found = (
            value.get("steps") or (value.get("spec") or {}).get("steps")
            if "kind" in value or "steps" in value
            else None
        )
        yield from (step for step in found or [] if isinstance(step, dict) and "action" in step)


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part, f"{prefix}[]")
    else:
        yield prefix


def _foreign(settings: Any, path: str) -> Iterator[str]:
    """Keys that the settings do not know."""
    if isinstance(settings, tuple):
        for item in settings:
            yield from _foreign(item, path)
    if not hasattr(settings, "model_fields_set"):
        return
    yield from (f"{path}.{name}" for name in settings.model_extra or ())
    for name in type(settings).model_fields:
        yield from _foreign(getattr(settings, name), f"{path}.{name}")


def _is_part(text: str, source: str) -> bool:
    lines = iter(source.splitlines())
    return all(any(wanted == line for line in lines) for wanted in text.splitlines() if wanted.strip())
