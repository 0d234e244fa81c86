"""Analysis of locations: the component that is proposed, and the files that GitHub's code search finds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from understage.catalog.analyzers.analysis import analyze, installed_analyzers
from understage.catalog.analyzers.github import GithubLocationAnalyzer
from understage.errors import ForeignError, InputError
from understage.sdk import AnalyzerSetup, ExistingFile, HttpResponse, LocationRef
from understage.sdk.testing import FakeHttp

CONFIG = {
    "integrations": {
        "github": [
            {"host": "github.com", "token": "secret"},
            {"host": "ghe.org", "apiBaseUrl": "https://ghe.org/api/v3"},
        ]
    }
}
SEARCH = "https://api.github.com/search/code?q=filename%3Acatalog-info.yaml+extension%3Ayaml+repo%3Ao%2Fr"
REPOSITORY = "https://api.github.com/repos/o/r"


class Tries:
    """A `Trial` that finds one entity in each file; `registered` are the targets that are already."""

    def __init__(self, *registered: str) -> None:
        self.registered = registered
        self.targets: list[str] = []

    async def register(self, target: str) -> Sequence[ExistingFile]:
        self.targets.append(target)
        if target.endswith("broken.yaml"):
            raise InputError("YAML error")
        return [
            ExistingFile(LocationRef("url", target), target in self.registered, {"kind": "Component", "n": target[-6:]})
        ]


def answer(content: Any, status: int = 200) -> HttpResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HttpResponse(status, {}, body)


def http(items: Sequence[Any] = (), **others: HttpResponse) -> FakeHttp:
    found = answer({"total_count": len(items), "items": [{"path": item} for item in items]})
    return FakeHttp(
        {
            ("GET", SEARCH): others.get("search", found),
            ("GET", REPOSITORY): others.get("repository", answer({"default_branch": "main"})),
        }
    )


def proposed(name: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    metadata = {"name": name} | ({"annotations": annotations} if annotations else {})
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
    return {"existingEntityFiles": [], "generateEntities": [{"entity": entity, "fields": []}]}


async def test_files_that_the_search_finds_are_tried() -> None:
    web, trial = (
        http(["catalog-info.yaml", "my app/catalog-info.yaml"]),
        Tries("https://github.com/o/r/blob/main/catalog-info.yaml"),
    )
    analyzers = [GithubLocationAnalyzer(AnalyzerSetup(web, CONFIG))]
    body = await analyze("https://github.com/o/r/", analyzers, trial, CONFIG["integrations"])
    assert body == {
        "existingEntityFiles": [
            {
                "location": {"type": "url", "target": "https://github.com/o/r/blob/main/catalog-info.yaml"},
                "isRegistered": True,
                "entity": {"kind": "Component", "n": "o.yaml"},
            },
            {
                "location": {"type": "url", "target": "https://github.com/o/r/blob/main/my%20app/catalog-info.yaml"},
                "isRegistered": False,
                "entity": {"kind": "Component", "n": "o.yaml"},
            },
        ],
        "generateEntities": [],
    }
    assert {request.headers["Authorization"] for request in web.sent} == {"Bearer secret"}
    assert [request.url for request in web.sent] == [SEARCH, REPOSITORY]


async def test_a_component_is_proposed_when_nothing_is_found() -> None:
    web, trial = http(), Tries()
    analyzers = [GithubLocationAnalyzer(AnalyzerSetup(web, CONFIG))]
    body = await analyze("https://github.com/o/r", analyzers, trial, CONFIG["integrations"])
    assert body == proposed("r", {"github.com/project-slug": "o/r"})
    assert ([request.url for request in web.sent], trial.targets) == ([SEARCH], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://ghe.org/o/r",
        "https://gitlab.com/g/p",
        "https://github.com/o",
        "https://github.com",
        "mailto:a@b",
        "https://github.com.evil.org/o/r",
    ],
)
def test_other_urls_and_hosts_without_credentials_are_not_searched(url: str) -> None:
    assert not GithubLocationAnalyzer(AnalyzerSetup(http(), CONFIG)).supports(url)


@pytest.mark.parametrize(
    ("web", "error", "message"),
    [
        (
            http(search=answer(b"", 403)),
            ForeignError,
            "Couldn't search repository for metadata file, github.com answered 403",
        ),
        (http(search=answer(b"<html>")), ForeignError, "Couldn't search repository for metadata file, .* not JSON"),
        (http(search=answer([])), ForeignError, "Couldn't search repository for metadata file"),
        (FakeHttp(), ForeignError, "Couldn't search repository for metadata file, GET .* failed"),
        (
            http(["a.yaml"], repository=answer(b"", 404)),
            ForeignError,
            "Couldn't fetch repo data, github.com answered 404",
        ),
        (http(["a.yaml"], repository=answer({})), ForeignError, "names no default branch"),
        (http(["broken.yaml"]), InputError, "YAML error"),
    ],
)
async def test_failures_say_what_failed(web: FakeHttp, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        await GithubLocationAnalyzer(AnalyzerSetup(web, CONFIG)).analyze("https://github.com/o/r", Tries())
    assert "secret" not in str(caught.value)


async def test_odd_hits_are_left_out_and_many_are_cut() -> None:
    odd = answer({"items": [None, {}, {"path": 5}, {"path": "a.yaml"}]})
    trial = Tries()
    await GithubLocationAnalyzer(AnalyzerSetup(http(search=odd), CONFIG)).analyze("https://github.com/o/r?x=1#y", trial)
    assert trial.targets == ["https://github.com/o/r/blob/main/a.yaml"]
    many = Tries()
    web = http([f"{number}.yaml" for number in range(500)])
    await GithubLocationAnalyzer(AnalyzerSetup(web, CONFIG)).analyze("https://github.com/o/r", many)
    assert len(many.targets) == 100


@pytest.mark.parametrize(
    ("target", "name", "annotations"),
    [
        ("https://gitlab.com/g/sg/b", "b", {"gitlab.com/project-slug": "g/sg/b"}),
        ("https://dev.azure.com/org/project/_git/repo", "repo", {"dev.azure.com/project-slug": "project/repo"}),
        ("https://bitbucket.org/o/r", "r", None),
        ("https://old.org/o/r", "r", {"bitbucket.org/project-slug": "o/r"}),
        ("https://bb.org/projects/P/repos/r/browse", "r", None),
        ("https://other.org/a/b", "b", None),
    ],
)
async def test_the_proposal_is_named_after_the_repository(
    target: str, name: str, annotations: Mapping[str, str] | None
) -> None:
    integrations = {"bitbucket": [{"host": "old.org"}], "bitbucketServer": [{"host": "bb.org"}], "odd": "x"}
    assert await analyze(target, [], Tries(), integrations) == proposed(name, annotations)


@pytest.mark.parametrize(
    ("target", "message"),
    [("nope", "The given location.target is not a URL"), ("https://x.org/", "names no repository")],
)
async def test_what_names_nothing_is_refused(target: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        await analyze(target, [], Tries(), {})


async def test_an_analyzer_of_a_package_is_asked_first_come() -> None:
    class Wiki:
        def supports(self, url: str) -> bool:
            return url.startswith("https://wiki.org/")

        async def analyze(self, url: str, trial: Any) -> Sequence[ExistingFile]:
            return await trial.register(f"{url}/c.yaml")  # type: ignore[no-any-return] # a test's shorthand

    body = await analyze(
        "https://wiki.org/a", [Wiki(), *installed_analyzers(AnalyzerSetup(http(), CONFIG))], Tries(), {}
    )
    assert [file["location"]["target"] for file in body["existingEntityFiles"]] == ["https://wiki.org/a/c.yaml"]
