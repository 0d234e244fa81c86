"""Repositories of Bitbucket Cloud workspaces: what is asked, what is filtered, what events change, what a failure leaves."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from tests.unit.catalog.discovery_bench import Discovery

from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError, NotAllowedError
from understage.sdk import EventSubscriber

API = "https://api.bitbucket.org/2.0/workspaces/acme"
NAME = "bitbucketCloud-provider:default"
SCHEDULE = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
INTEGRATIONS = {"bitbucketCloud": [{"username": "bot", "appPassword": "pw"}]}


class Bitbucket:
    """A workspace: projects, and files by project and repository."""

    def __init__(self, mock: respx.Router) -> None:
        self.projects = ["ONE", "TWO"]
        self.files: list[dict[str, Any]] = []
        self.trouble: httpx.Response | None = None
        self.asked = mock.get(url__startswith=API).mock(side_effect=self._answer)

    def add(self, project: str, slug: str, path: str = "catalog-info.yaml", *, branch: str | None = "main") -> None:
        repository = {
            "slug": slug,
            "project": {"key": project},
            "links": {"html": {"href": f"https://bitbucket.org/acme/{slug}"}},
            "mainbranch": {"name": branch} if branch else None,
        }
        file = {"path": path, "commit": {"repository": repository}}
        self.files.append({"path_matches": [{"text": path}], "file": file})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.trouble is not None:
            return self.trouble
        parameters = request.url.params
        if request.url.path.endswith("/projects"):
            return self._page(request, [{"key": key} for key in self.projects])
        words = dict(word.split(":", 1) for word in parameters["search_query"].split() if ":" in word)
        rows = [
            row
            for row in self.files
            for repository in [row["file"]["commit"]["repository"]]
            if words.get("project", repository["project"]["key"]) == repository["project"]["key"]
            and words.get("repo", repository["slug"]) == repository["slug"]
        ]
        return self._page(request, rows)

    def _page(self, request: httpx.Request, rows: list[Any]) -> httpx.Response:
        number, size = int(request.url.params["page"]), int(request.url.params["pagelen"])
        body: dict[str, Any] = {"values": rows[(number - 1) * size : number * size]}
        if number * size < len(rows):
            body["next"] = "https://elsewhere.example.com/next"
        return httpx.Response(200, json=body)


@pytest.fixture
def bitbucket() -> Iterator[Bitbucket]:
    with respx.mock(assert_all_called=False) as mock:
        yield Bitbucket(mock)


async def connected(**settings: Any) -> Discovery:
    entry = {"workspace": "acme", "schedule": SCHEDULE, **settings}
    return await Discovery({"bitbucketCloud": entry}, INTEGRATIONS).connect()


def place(slug: str, path: str = "catalog-info.yaml", branch: str = "main") -> str:
    return f"https://bitbucket.org/acme/{slug}/src/{branch}/{path}"


async def test_found_files_become_locations_that_name_their_repository(bitbucket: Bitbucket) -> None:
    bitbucket.add("ONE", "a")
    bitbucket.add("TWO", "b", branch=None)
    bitbucket.files.append({**bitbucket.files[0], "path_matches": []})
    bench = await connected()
    assert isinstance(bench.providers[NAME], EventSubscriber)
    found = await bench.run(NAME)
    assert found.targets == [place("a"), place("b", branch="master")]
    [first, _] = found.given.values()
    assert first.location_key == NAME
    assert first.entity["spec"] == {"type": "url", "target": place("a"), "presence": "required"}
    assert first.entity["metadata"]["annotations"] == {
        "backstage.io/managed-by-location": f"url:{place('a')}",
        "backstage.io/managed-by-origin-location": f"url:{place('a')}",
        "bitbucket.org/repo-url": "https://bitbucket.org/acme/a",
    }
    asked = bitbucket.asked.calls[1].request
    assert asked.url.params["search_query"] == '"catalog-info.yaml" path:/catalog-info.yaml project:ONE'
    assert asked.headers["authorization"] == "Basic Ym90OnB3"


async def test_all_pages_are_read(bitbucket: Bitbucket) -> None:
    for number in range(7):
        bitbucket.add("ONE", f"r{number}")
    found = await (await connected(pagelen=3)).run(NAME)
    assert len(found.given) == 7
    assert bitbucket.asked.call_count == 1 + 3 + 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["a", "b"]),
        ({"repoSlug": "a|x"}, ["a"]),
        ({"repoSlug": "aa?"}, ["a"]),
        ({"projectKey": "TW.*"}, ["b"]),
        ({"projectKey": "T"}, []),
        ({"projectKey": "ONE", "repoSlug": "b"}, []),
    ],
)
async def test_filters(bitbucket: Bitbucket, filters: dict[str, str], expected: list[str]) -> None:
    bitbucket.add("ONE", "a")
    bitbucket.add("TWO", "b")
    assert (await (await connected(filters=filters)).run(NAME)).targets == [place(slug) for slug in expected]


async def test_an_oauth_consumer_signs_in() -> None:
    entry = {"workspace": "acme", "schedule": SCHEDULE}
    integrations = {"bitbucketCloud": [{"clientId": "id", "clientSecret": "secret"}]}
    bench = await Discovery({"bitbucketCloud": {"one": entry}}, integrations).connect()
    with respx.mock(assert_all_called=False) as mock:
        again = Bitbucket(mock)
        issued = mock.post("https://bitbucket.org/site/oauth2/access_token").respond(json={"access_token": "leased"})
        await bench.run("bitbucketCloud-provider:one")
    assert issued.call_count == 1
    assert {call.request.headers["authorization"] for call in again.asked.calls} == {"Bearer leased"}


@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        (httpx.Response(401), NotAllowedError, r"check the credentials of bitbucket\.org under integrations\.bitbuck"),
        (httpx.Response(500), ForeignError, "answered 500"),
        (httpx.Response(200, json={}), ForeignError, "without a list"),
        (httpx.Response(200, json={"values": [{"key": "ONE", "path_matches": [1]}]}), ForeignError, "too little about"),
    ],
)
async def test_a_failure_leaves_what_was_there(
    bitbucket: Bitbucket, trouble: httpx.Response, error: type[Exception], message: str
) -> None:
    bitbucket.add("ONE", "a")
    bench = await connected()
    await bench.run(NAME)
    bitbucket.trouble = trouble
    with pytest.raises(error, match=message):
        await bench.run(NAME)
    assert len(bench.connections[NAME].given) == bench.connections[NAME].full == 1


# Events.


def event(slug: str, *, old: str | None = None, workspace: str = "acme") -> dict[str, Any]:
    repository = {
        "full_name": f"{workspace}/{slug}",
        "project": {"key": "ONE"},
        "links": {"html": {"href": f"https://bitbucket.org/{workspace}/{slug}"}},
    }
    changes = {"links": {"old": {"html": {"href": f"https://bitbucket.org/{workspace}/{old}"}}}} if old else {}
    return {"repository": repository, "changes": changes}


async def test_a_push_adds_refreshes_and_removes_what_its_repository_holds(bitbucket: Bitbucket) -> None:
    bitbucket.add("ONE", "a")
    bitbucket.add("ONE", "other")
    bench = await connected()
    await bench.run(NAME)
    bitbucket.add("ONE", "a", "deep/catalog-info.yaml")
    found = await bench.send(NAME, "bitbucketCloud.repo:push", event("a"))
    assert found.targets == [place("a"), place("a", "deep/catalog-info.yaml"), place("other")]
    assert found.refreshed == [f"url:{place('a')}"]
    assert bitbucket.asked.calls.last.request.url.params["search_query"].endswith(" repo:a")
    bitbucket.files = [row for row in bitbucket.files if row["file"]["path"] != "catalog-info.yaml"]
    found = await bench.send(NAME, "bitbucketCloud.repo:push", event("a"))
    assert (found.targets, found.full) == ([place("a", "deep/catalog-info.yaml"), place("other")], 1)


async def test_another_url_of_a_repository_moves_its_locations(bitbucket: Bitbucket) -> None:
    bitbucket.add("ONE", "old")
    bench = await connected()
    await bench.run(NAME)
    bitbucket.files.clear()
    bitbucket.add("ONE", "new")
    found = await bench.send(NAME, "bitbucketCloud.repo:updated", event("new", old="old"))
    assert found.targets == [place("new")]


@pytest.mark.parametrize(
    ("topic", "ignored"),
    [
        ("bitbucketCloud.repo:push", event("a", workspace="other")),
        ("bitbucketCloud.repo:push", event("hidden")),
        ("bitbucketCloud.repo:updated", event("a")),
    ],
)
async def test_events_of_no_concern_are_ignored(bitbucket: Bitbucket, topic: str, ignored: dict[str, Any]) -> None:
    bitbucket.add("ONE", "a")
    found = await (await connected(filters={"repoSlug": "a"})).send(NAME, topic, ignored)
    assert (found.mutations, bitbucket.asked.call_count) == (0, 0)


async def test_an_event_that_cannot_be_one_is_refused(bitbucket: Bitbucket) -> None:
    with pytest.raises(InputError, match=r"the event has no repository\.full_name"):
        await (await connected()).send(NAME, "bitbucketCloud.repo:push", {"repository": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"one": {"schedule": SCHEDULE}}, r"bitbucketCloud\.one\.workspace' in .*it is required"),
        ({"workspace": "acme"}, r"bitbucketCloud\.schedule' in .*it is required"),
        ({"workspace": "acme", "schedule": SCHEDULE, "pagelen": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_configuration_stops_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(Configuration({"catalog": {"providers": {"bitbucketCloud": settings}}}))
