"""The processors that fill in owner and repository from where an entity stands; off unless the configuration names them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from understage.catalog.processors.annotate_scm_slug import AnnotateScmSlugEntityProcessor
from understage.catalog.processors.code_owners import KEPT_SECONDS, CodeOwnersProcessor
from understage.catalog.processors.code_owners_file import find_owner, matches, normalize_owner, parse_code_owners
from understage.catalog.processors.registry import create_processors, installed_processors
from understage.config.backend_settings import Reading
from understage.config.catalog_settings import CatalogSettings
from understage.config.integration_settings import IntegrationSettings
from understage.errors import ForeignError
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient
from understage.sdk import Entity, LocationRef, ProcessingContext, ProcessorSetup

INTEGRATIONS = {
    "github": [{"host": "github.com", "token": "t"}],
    "gitlab": [{"host": "git.lab", "apiBaseUrl": "https://git.lab/api/v4"}],
    "gitea": [{"host": "tea.org"}],
    "bitbucketServer": [{"host": "bb.org"}],
    "gerrit": [{"host": "gerrit.org", "gitilesBaseUrl": "https://gerrit.org/gitiles"}],
}


@dataclass
class Emitted:
    keys: list[str] = field(default_factory=list)

    def entity(self, entity: Any, location: LocationRef, *, location_key: str | None = None) -> None: ...
    def location(self, location: LocationRef, *, optional: bool = False) -> None: ...
    def relation(self, source: str, type: str, target: str) -> None: ...
    def error(self, error: Exception) -> None: ...
    def refresh_key(self, key: str) -> None:
        self.keys.append(key)


class NoCache:
    def get(self, key: str) -> Any:
        return None

    def set(self, key: str, value: Any) -> None: ...


def at(target: str, type: str = "url") -> tuple[ProcessingContext, Emitted]:
    emitted = Emitted()
    location = LocationRef(type, target)
    return ProcessingContext(location, location, emitted, NoCache()), emitted


class Forge:
    """Answers by URL, counting."""

    def __init__(self, answers: Mapping[str, str | int]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        answer = self.answers.get(str(request.url), 404)
        return httpx.Response(answer) if isinstance(answer, int) else httpx.Response(200, text=answer)

    def setup(self) -> ProcessorSetup:
        http = HttpClient(transport=httpx.MockTransport(self))
        reader = create_readers(IntegrationSettings.model_validate(INTEGRATIONS), Reading(), http)
        return ProcessorSetup(reader, {"integrations": INTEGRATIONS})


def entity(kind: str = "Component", **spec: Any) -> Entity:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}


CONTENTS = "https://api.github.com/repos/o/r/contents"
OWNERS = "* @acme/everyone\n/services/ @acme/services\n/services/web/ @ada\n"


@pytest.mark.parametrize(
    ("target", "answer", "owner"),
    [
        ("https://github.com/o/r/blob/main/catalog-info.yaml", f"{CONTENTS}/.github/CODEOWNERS?ref=main", "everyone"),
        ("https://github.com/o/r/blob/main/services/a/c.yaml", f"{CONTENTS}/CODEOWNERS?ref=main", "services"),
        ("https://github.com/o/r/tree/main/services/web/c.yaml", f"{CONTENTS}/docs/CODEOWNERS?ref=main", "User:ada"),
        (
            "https://git.lab/g/p/-/blob/main/services/a/c.yaml",
            "https://git.lab/api/v4/projects/g%2Fp/repository/files/.gitlab%2FCODEOWNERS/raw?ref=main",
            "services",
        ),
        (
            "https://bb.org/projects/P/repos/r/browse/services/a/c.yaml?at=main",
            "https://bb.org/rest/api/1.0/projects/P/repos/r/raw/CODEOWNERS?at=main",
            "services",
        ),
        (
            "https://dev.azure.com/org/p/_git/r?path=/services/web/c.yaml",
            "https://dev.azure.com/org/p/_apis/git/repositories/r/items?api-version=6.0&path=%2FCODEOWNERS",
            "User:ada",
        ),
        (
            "https://bitbucket.org/o/r/src/main/c.yaml",
            "https://api.bitbucket.org/2.0/repositories/o/r/src/main/docs/CODEOWNERS",
            "everyone",
        ),
        ("https://github.com/o/r/blob/main/catalog-info.yaml", "nowhere", None),
    ],
)
async def test_the_owner_comes_from_the_file_of_the_repository(target: str, answer: str, owner: str | None) -> None:
    forge = Forge({answer: OWNERS})
    context, emitted = at(target)
    found = await CodeOwnersProcessor(forge.setup()).pre_process(entity(type="service"), context)
    assert found["spec"] == ({"type": "service"} if owner is None else {"type": "service", "owner": owner})
    # Also the places where the file is not yet: it may come to be there.
    assert len(emitted.keys) >= 3
    assert all(key.startswith("url:https://") and "CODEOWNERS" in key for key in emitted.keys)


async def test_keys_of_github_are_those_of_its_events() -> None:
    context, emitted = at("https://github.com/o/r/blob/main/a/c.yaml")
    await CodeOwnersProcessor(Forge({}).setup()).pre_process(entity(), context)
    assert emitted.keys == [
        f"url:https://github.com/o/r/tree/main/{place}CODEOWNERS" for place in (".github/", "", "docs/")
    ]


@pytest.mark.parametrize(
    ("given", "target", "type"),
    [
        (entity(owner="me"), "https://github.com/o/r/blob/main/c.yaml", "url"),
        (entity("User"), "https://github.com/o/r/blob/main/c.yaml", "url"),
        (entity("Location"), "https://github.com/o/r/blob/main/c.yaml", "url"),
        (entity(), "https://plain.org/c.yaml", "url"),
        (entity(), "/files/c.yaml", "file"),
        ({**entity(), "spec": ["odd"]}, "https://github.com/o/r/blob/main/c.yaml", "url"),
    ],
)
async def test_other_entities_are_left_alone(given: Entity, target: str, type: str) -> None:
    forge = Forge({})
    context, emitted = at(target, type)
    assert await CodeOwnersProcessor(forge.setup()).pre_process(given, context) is given
    assert (forge.asked, emitted.keys) == ([], [])


async def test_the_file_is_read_once_for_all_entities_of_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    forge = Forge({f"{CONTENTS}/CODEOWNERS?ref=main": "* @a"})
    processor = CodeOwnersProcessor(forge.setup())

    async def process(number: int) -> None:
        context, _ = at(f"https://github.com/o/r/blob/main/{number}/c.yaml")
        assert (await processor.pre_process(entity(), context))["spec"]["owner"] == "User:a"

    await asyncio.gather(*(process(number) for number in range(200)))
    assert len(forge.asked) == 2
    later = asyncio.get_running_loop().time() + KEPT_SECONDS + 1
    monkeypatch.setattr("understage.catalog.processors.code_owners.time.monotonic", lambda: later)
    await process(1)
    assert len(forge.asked) == 4


async def test_a_forge_that_fails_fails_the_entity_and_is_asked_again() -> None:
    answers: dict[str, str | int] = {f"{CONTENTS}/.github/CODEOWNERS?ref=main": 500}
    processor = CodeOwnersProcessor(Forge(answers).setup())
    target = "https://github.com/o/r/blob/main/c.yaml"
    with pytest.raises(ForeignError, match="500 Internal Server Error"):
        await processor.pre_process(entity(), at(target)[0])
    answers[f"{CONTENTS}/.github/CODEOWNERS?ref=main"] = "* b@acme.com"
    assert (await processor.pre_process(entity(), at(target)[0]))["spec"]["owner"] == "b"


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("*", ["a", "a/b/c"], []),
        ("*.yaml", ["c.yaml", "a/b/c.yaml"], ["c.yml", "yaml"]),
        ("/docs/", ["docs/a", "docs/b/c"], ["x/docs/a", "docs"]),
        ("docs/", ["docs/a", "x/docs/a/b"], ["docs"]),
        ("docs/*", ["docs/a"], ["docs/a/b", "x/docs/a"]),
        ("/docs/**", ["docs/a", "docs/a/b"], ["docs", "x/docs/a"]),
        ("**/logs", ["logs/a", "x/logs", "x/y/logs/z"], ["x/logsy"]),
        ("/a/**/z", ["a/z", "a/b/z", "a/b/c/z/d"], ["a/b", "x/a/z"]),
        ("apps", ["apps/x", "y/apps", "y/apps/z"], ["apps2"]),
        ("/a?c", ["abc", "abc/d"], ["ac", "a/c"]),
        ("/a.c", ["a.c"], ["abc"]),
        ("/[ab]", ["[ab]"], ["a"]),
        ("/", ["a"], []),
    ],
)
def test_patterns(pattern: str, inside: list[str], outside: list[str]) -> None:
    assert [path for path in inside if not matches(pattern, path)] == []
    assert [path for path in outside if matches(pattern, path)] == []


def test_the_last_line_that_matches_counts() -> None:
    lines = parse_code_owners(
        "# comment\n\n*  @acme/all @x # why\n/a/ @acme/a\n/a/free/\n/a/role/ @@maintainer @acme/role\n/my\\ docs/ docs@acme.com\n"
        "[Section][2] @acme/section\n/s/\n^[Other]\n/o/ @o\n"
    )
    owners = {path: find_owner(lines, path) for path in ("x", "a/x", "a/free/x", "a/role/x", "my docs/x", "s/x", "o/x")}
    assert owners == {
        "x": "all",
        "a/x": "a",
        "a/free/x": None,
        "a/role/x": "role",
        "my docs/x": "docs",
        "s/x": "section",
        "o/x": "User:o",
    }
    assert find_owner([], "x") is None


@pytest.mark.parametrize(
    ("owner", "reference"),
    [
        ("@yoda", "User:yoda"),
        ("@acme/foo", "foo"),
        ("foo@acme.com", "foo"),
        ("acme/foo", "acme/foo"),
        ("@@developer", None),
    ],
)
def test_owners_become_references(owner: str, reference: str | None) -> None:
    assert normalize_owner(owner) == reference


def test_hostile_files_are_read_in_bounded_time() -> None:
    star = "/" + "*a" * 400 + "z"
    lines = parse_code_owners(f"{star} @x\n" + "/**" * 400 + "/z @y\n" + "*" * 100_000 + " @z\n" + "\x00\n" * 30_000)
    assert find_owner(lines, "a" * 2000 + "/" + "b/" * 500) is None


@pytest.mark.parametrize(
    ("target", "annotations"),
    [
        ("https://github.com/o/r/blob/main/c.yaml", {"github.com/project-slug": "o/r"}),
        ("https://git.lab/g/s/p/-/blob/main/c.yaml", {"gitlab.com/project-slug": "g/s/p"}),
        ("https://dev.azure.com/org/p/_git/r?path=/c.yaml", {"dev.azure.com/project-repo": "p/r"}),
        ("https://dev.azure.com/org/_git/r?path=/c.yaml", {"dev.azure.com/project-repo": "org/r"}),
        ("https://bitbucket.org/o/r/src/main/c.yaml", {"bitbucket.org/project-slug": "o/r"}),
        ("https://tea.org/o/r/src/branch/main/c.yaml", {}),
        ("https://plain.org/o/r/c.yaml", {}),
    ],
)
async def test_the_repository_is_noted(target: str, annotations: dict[str, str]) -> None:
    processor = AnnotateScmSlugEntityProcessor(Forge({}).setup())
    found = await processor.pre_process(entity(), at(target)[0])
    assert found["metadata"].get("annotations", {}) == annotations
    for name in annotations:
        own = {**entity(), "metadata": {"name": "a", "annotations": {name: "mine"}}}
        assert await processor.pre_process(own, at(target)[0]) is own
    system = entity("System")
    assert await processor.pre_process(system, at(target)[0]) is system


def test_both_run_only_when_the_configuration_names_them() -> None:
    def names(options: Mapping[str, Any]) -> set[str]:
        settings = CatalogSettings.model_validate({"processorOptions": options})
        made = create_processors(installed_processors(), Forge({}).setup(), options=settings.processor_options)
        return {processor.registered_name() for processor in made}

    both = {"CodeOwnersProcessor", "AnnotateScmSlugEntityProcessor"}
    assert names({}) & both == set()
    assert names({name: {} for name in both}) & both == both
    assert names({name: {"disabled": True} for name in both}) & both == set()
