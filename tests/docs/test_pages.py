"""What pages say exists: links, anchors, commands, actions, keys."""

import fnmatch
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.docs.command_page import commands
from tests.docs.configuration_page import is_covered, read_notes, setting_keys
from tests.docs.markdown import ROOT, Page, pages

from understage.scaffolder.actions import ActionRegistry

PAGES = pages()
# Prefixes of action ids; other words with a colon are entity references, addresses and the like.
ACTION = re.compile(
    r"(argocd|debug|fetch|fs|github|gitlab|gitops|helm|kubernetes|publish|service|catalog):[a-z*][a-z:*-]*"
)
# What else has dots: files, names of permissions, entry points and modules.
FILES = (".py", ".yaml", ".yml", ".json", ".md", ".sqlite")
OTHER = re.compile(
    r"(catalog\.(entity|entities|location|ingestion)|scaffolder\.(action|task|template))\."
    r"|scaffolder\.task$|understage\.(actions|analyzers|filters|integrations|placeholders|processors|providers)$"
)
ABOUT_IDLE_KEYS = ("docs/reference/configuration.md", "docs/differences.md")
EXTERNAL = ("http://", "https://", "mailto:")


@cache
def anchors_of(page: Path) -> set[str]:
    """The list of actions has some hundred links into itself."""
    return Page(page).anchors


@pytest.fixture(scope="module")
def actions() -> set[str]:
    return {action.id for action in ActionRegistry.from_entry_points().all()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    broken = []
    for link in page.links:
        if link.startswith(EXTERNAL):
            continue
        target, _, anchor = unquote(link).partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        is_page = path.suffix == ".md" and path.exists()
        if not path.exists() or (anchor and (not is_page or anchor not in anchors_of(path))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for command in page.commands for name in re.findall(r"^make ([a-z-]+)", command)}
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Page) -> None:
    known = {name: {option for part in command.params for option in part.opts} for name, command in commands()}
    wrong = []
    for line in page.commands:
        match = re.search(r"(?:^|\s)(understage(?: [a-z][a-z-]*)+)((?: .*)?)$", line)
        if match is None:
            continue
        found = next((name for name in known if f"{match[1]} ".startswith(f"{name} ")), None)
        options = set(re.findall(r" (--[a-z-]+)", match[2]))
        if found is None or not options <= known[found] | {"--help"}:
            wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_actions_exist(page: Page, actions: set[str]) -> None:
    named = {span for span in page.spans if ACTION.fullmatch(span)}
    assert [name for name in sorted(named) if not fnmatch.filter(actions, name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configuration_keys_exist(page: Page) -> None:
    """Dotted names in code that begin as a section does; `discovery.endpoints` names what is below it."""
    keys = {re.sub(r"\[\]|\.\*", "", key.path) for key in setting_keys()}
    roots = {key.partition(".")[0] for key in keys}
    wrong = []
    for span in page.spans:
        name = re.sub(r"\[\d*\]|\.\*|\.<\w+>", "", span)
        if re.fullmatch(r"[a-z]\w*(\.\w+)+", name) is None or name.partition(".")[0] not in roots:
            continue
        if name.endswith(FILES) or OTHER.match(name) or _is_module(name):
            continue
        if not any(is_covered(key, {name: ""}) for key in keys):
            wrong.append(span)
    assert wrong == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in ABOUT_IDLE_KEYS], ids=lambda page: page.name
)
def test_no_page_recommends_a_key_that_has_no_effect(page: Page) -> None:
    idle = read_notes()["without_effect"]
    assert [span for span in page.spans if span in idle] == []


def _is_module(name: str) -> bool:
    path = ROOT / "backend" / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_decisions_are_numbered_without_gaps() -> None:
    files = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(file.name[:3]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        text = file.read_text("utf-8")
        assert re.match(rf"# {file.name[:3]}: \S", text), f"{file.name} does not begin with its number"
        for part in ("Context", "Decision", "Why", "Price"):
            assert f"**{part}.**" in text, f"{file.name} lacks its {part}"


def test_the_architecture_names_every_package() -> None:
    named = set(Page(ROOT / "docs/architecture.md").spans)
    packages = [path.parent for path in (ROOT / "backend/understage").glob("*/__init__.py")]
    assert [str(folder.relative_to(ROOT)) for folder in packages if str(folder.relative_to(ROOT)) not in named] == []


def test_the_readme_names_every_guide() -> None:
    linked = {Path(link) for link in Page(ROOT / "README.md").links}
    guides = {file.relative_to(ROOT) for file in (ROOT / "docs/guides").glob("*.md")}
    assert guides <= linked


def test_ci_runs_the_test_command_of_the_readme() -> None:
    shown = [line for line in Page(ROOT / "README.md").commands if line.startswith("make ")]
    assert "make test" in shown
    assert re.search(
        r"^make --no-print-directory test( \|\| \{)?$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE
    )
