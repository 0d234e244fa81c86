"""Repositories of GitHub organizations: what is asked, what is filtered, what events change, and what a failure leaves."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs
from tests.unit.catalog.discovery_bench import Discovery

import understage.integrations.forge_api as forge_api
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError
from understage.sdk import EventSubscriber, Schedule

URL = "https://api.github.com/graphql"
TOKEN = {"github": [{"host": "github.com", "token": "t0ken"}]}
NAME = "github-provider:default"


def repository(name: str, **fields: Any) -> dict[str, Any]:
    topics = fields.pop("topics", [])
    return {
        "name": name,
        "url": f"https://github.com/acme/{name}",
        "isArchived": False,
        "isFork": False,
        "visibility": "PRIVATE",
        "defaultBranchRef": {"name": "main"},
        "repositoryTopics": {"nodes": [{"topic": {"name": topic}} for topic in topics]},
        "catalogInfoFile": {"__typename": "Blob", "id": "1", "text": "kind: Component"},
        **fields,
    }


class Github:
    """GraphQL answers of an organization, some repositories a page."""

    def __init__(self, mock: respx.Router) -> None:
        self.repositories: list[dict[str, Any]] = []
        self.queries: list[dict[str, Any]] = []
        self.troubles: list[httpx.Response] = []
        self.route = mock.post(URL).mock(side_effect=self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.queries.append({**body, "authorization": request.headers.get("authorization")})
        if self.troubles:
            return self.troubles.pop(0)
        if "repositories(" not in body["query"]:
            name = body["variables"]["repoName"]
            found = next((one for one in self.repositories if one["name"] == name), None)
            return httpx.Response(200, json={"data": {"repositoryOwner": {"repository": found}}})
        start = int(body["variables"]["cursor"] or 0)
        end = start + body["variables"]["repositoriesPageSize"]
        page = {"hasNextPage": end < len(self.repositories), "endCursor": str(end)}
        connection = {"nodes": self.repositories[start:end], "pageInfo": page}
        return httpx.Response(200, json={"data": {"repositoryOwner": {"login": "acme", "repositories": connection}}})


@pytest.fixture
def github() -> Iterator[Github]:
    with respx.mock(assert_all_called=False) as mock:
        yield Github(mock)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long requests wanted to wait; nobody waits."""
    asked: list[float] = []

    async def note(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(forge_api.asyncio, "sleep", note)
    return asked


def discovery(integrations: Any = None, **settings: Any) -> Discovery:
    return Discovery({"github": {"organization": "acme", **settings}}, TOKEN if integrations is None else integrations)


async def test_every_repository_becomes_an_optional_location(github: Github) -> None:
    github.repositories = [repository("a"), repository("b", defaultBranchRef={"name": "trunk"})]
    bench = await discovery().connect()
    found = await bench.run(NAME)
    assert found.targets == [
        "https://github.com/acme/a/blob/main/catalog-info.yaml",
        "https://github.com/acme/b/blob/trunk/catalog-info.yaml",
    ]
    [first, _] = found.given.values()
    place = "url:https://github.com/acme/a/blob/main/catalog-info.yaml"
    assert first.location_key == NAME
    assert first.entity == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {
            "name": first.entity["metadata"]["name"],
            "annotations": {
                "backstage.io/managed-by-location": place,
                "backstage.io/managed-by-origin-location": place,
            },
        },
        "spec": {"type": "url", "target": place.removeprefix("url:"), "presence": "optional"},
    }
    [query] = github.queries
    assert query["authorization"] == "bearer t0ken"
    variables = {"org": "acme", "catalogPathRef": "HEAD:catalog-info.yaml", "repositoriesPageSize": 25, "cursor": None}
    assert query["variables"] == variables
    assert "isArchived: false" in query["query"]
    assert bench.schedules == {f"{NAME}:refresh": Schedule(timedelta(hours=3), timedelta(hours=1))}
    assert isinstance(bench.providers[NAME], EventSubscriber)


async def test_pages_are_followed_to_their_end(github: Github) -> None:
    github.repositories = [repository(f"r{number}") for number in range(7)]
    found = await (await discovery(pageSizes={"repositories": 3}).connect()).run(NAME)
    assert len(found.given) == 7
    assert [query["variables"]["cursor"] for query in github.queries] == [None, "3", "6"]


FILTERED = [
    ({}, repository("x"), True),
    ({}, repository("x", defaultBranchRef=None), False),
    ({}, repository("x", isArchived=True), False),
    ({"filters": {"allowArchived": True}}, repository("x", isArchived=True), True),
    ({}, repository("x", isFork=True), True),
    ({"filters": {"allowForks": False}}, repository("x", isFork=True), False),
    ({"filters": {"repository": "service-.*"}}, repository("service-a"), True),
    ({"filters": {"repository": "service-.*"}}, repository("my-service-a"), False),
    ({"filters": {"repository": "^a$"}}, repository("ab"), False),
    ({"filters": {"visibility": ["public", "internal"]}}, repository("x", visibility="INTERNAL"), True),
    ({"filters": {"visibility": ["public"]}}, repository("x"), False),
    ({"filters": {"topic": {"include": ["a", "b"]}}}, repository("x", topics=["b"]), True),
    ({"filters": {"topic": {"include": ["a"]}}}, repository("x", topics=["b"]), False),
    ({"filters": {"topic": {"exclude": ["b"]}}}, repository("x", topics=["b"]), False),
    ({"filters": {"topic": {"exclude": ["b"]}}}, repository("x"), True),
    ({"filters": {"topic": {"include": ["a"], "exclude": ["b"]}}}, repository("x", topics=["a", "b"]), False),
    ({"validateLocationsExist": True}, repository("x"), True),
    ({"validateLocationsExist": True}, repository("x", catalogInfoFile=None), False),
    ({"validateLocationsExist": True}, repository("x", catalogInfoFile={"__typename": "Blob", "text": ""}), False),
    ({}, repository("x", catalogInfoFile=None), True),
]


@pytest.mark.parametrize(("settings", "found", "expected"), FILTERED)
async def test_filters(github: Github, settings: dict[str, Any], found: dict[str, Any], expected: bool) -> None:
    github.repositories = [found]
    connection = await (await discovery(**settings).connect()).run(NAME)
    assert len(connection.given) == int(expected)


async def test_a_branch_and_a_path_of_ones_own(github: Github) -> None:
    github.repositories = [repository("a")]
    bench = Discovery(
        {
            "github": {
                "one": {"organization": "acme", "catalogPath": "/**/catalog-info.yaml", "filters": {"branch": "dev"}},
                "two": {"organization": "acme", "host": "ghe.org", "filters": {"allowArchived": True}},
            }
        },
        {"github": [{"host": "ghe.org", "token": "other"}]},
    )
    await bench.connect()
    assert sorted(bench.providers) == ["github-provider:one", "github-provider:two"]
    found = await bench.run("github-provider:one")
    assert found.targets == ["https://github.com/acme/a/blob/dev/**/catalog-info.yaml"]
    assert github.queries[0]["variables"]["catalogPathRef"] == "dev:**/catalog-info.yaml"
    assert github.queries[0]["authorization"] is None
    with respx.mock:
        answer = {"data": {"repositoryOwner": {"repositories": {"nodes": [], "pageInfo": {}}}}}
        enterprise = respx.post("https://ghe.org/api/graphql").respond(json=answer)
        await bench.run("github-provider:two")
    assert enterprise.calls.last.request.headers["authorization"] == "bearer other"
    assert b"isArchived: false" not in enterprise.calls.last.request.content


async def test_an_app_names_the_organizations_it_is_installed_in(github: Github, monkeypatch: Any) -> None:
    from understage.integrations.github.credentials import Credential, GithubCredentials, Installation

    async def installations(_self: Any, app_id: int | None = None) -> list[Installation]:
        assert app_id == 7
        return [
            Installation(1, "acme", "Organization", False),
            Installation(2, "gone", "Organization", True),
            Installation(3, "beta", "Organization", False),
        ]

    async def find(_self: Any, owner: str, repository: str | None = None) -> Credential:
        return Credential(f"token-of-{owner}", "app")

    monkeypatch.setattr(GithubCredentials, "list_installations", installations)
    monkeypatch.setattr(GithubCredentials, "find", find)
    github.repositories = [repository("a")]
    bench = Discovery({"github": {"app": 7}}, {"github": [{"apps": [{"appId": 7, "privateKey": "k"}]}]})
    await (await bench.connect()).run(NAME)
    asked = [(query["variables"]["org"], query["authorization"]) for query in github.queries]
    assert asked == [("acme", "bearer token-of-acme"), ("beta", "bearer token-of-beta")]


# What fails.


RESET = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
LIMITED = {"errors": [{"type": "RATE_LIMITED", "message": "wait"}]}


@pytest.mark.parametrize(
    ("trouble", "waited"),
    [
        (httpx.Response(429, headers={"retry-after": "7"}), 7),
        (httpx.Response(403, headers=RESET), 1),
        (httpx.Response(403, headers={"retry-after": "3"}), 3),
        (httpx.Response(502), 1),
        (httpx.Response(200, json=LIMITED, headers={"x-ratelimit-reset": "1"}), 1),
    ],
)
async def test_a_request_waits_as_long_as_github_asks(
    github: Github, waits: list[float], trouble: httpx.Response, waited: float
) -> None:
    github.repositories = [repository("a")]
    github.troubles = [trouble]
    with capture_logs() as logs:
        found = await (await discovery().connect()).run(NAME)
    assert (len(found.given), waits) == (1, [waited])
    assert logs[0]["event"] == "a forge asks to wait"


@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        (httpx.Response(401), NotAllowedError, "check the credentials of github.com under integrations.github"),
        (httpx.Response(403), NotAllowedError, "check the credentials"),
        (httpx.Response(429, headers={"retry-after": "90000"}), ForeignError, "rate limit exceeded"),
        (httpx.Response(500), ForeignError, "answered 500"),
        (httpx.Response(200, content=b"<html>"), ForeignError, "not JSON"),
        (httpx.Response(200, json=[]), ForeignError, "no object"),
        (httpx.Response(200, json={"data": None}), ForeignError, "without data"),
        (httpx.Response(200, json={"data": {"repositoryOwner": None}}), NotFoundError, "shows nothing of acme: check"),
        (
            httpx.Response(200, json={"data": None, "errors": [{"type": "NOT_FOUND", "message": "no such login"}]}),
            NotFoundError,
            "no such login. Check what the credentials",
        ),
        (
            httpx.Response(
                200,
                json={
                    "data": {"repositoryOwner": {"repositories": {"nodes": [], "pageInfo": {"hasNextPage": True}}}},
                },
            ),
            ForeignError,
            "do not end",
        ),
    ],
)
async def test_a_failure_leaves_what_was_there(
    github: Github, waits: list[float], trouble: httpx.Response, error: type[Exception], message: str
) -> None:
    github.repositories = [repository("a")]
    bench = await discovery().connect()
    await bench.run(NAME)
    github.troubles = [trouble]
    with pytest.raises(error, match=message) as failure:
        await bench.run(NAME)
    assert "t0ken" not in str(failure.value)
    assert len(bench.connections[NAME].given) == bench.connections[NAME].full == 1


async def test_an_outage_is_given_up_after_some_attempts(github: Github, waits: list[float]) -> None:
    github.troubles = [httpx.Response(503)] * 4
    with pytest.raises(ForeignError, match="answered 503"):
        await (await discovery().connect()).run(NAME)
    assert waits == [1, 2, 4]


# Events.


def push(**fields: Any) -> dict[str, Any]:
    return {"ref": "refs/heads/main", **event(), **fields}


def event(name: str = "a", **fields: Any) -> dict[str, Any]:
    details = {
        "name": name,
        "html_url": f"https://github.com/acme/{name}",
        "default_branch": "main",
        "visibility": "private",
        "archived": False,
        "fork": False,
        "topics": [],
    }
    return {"organization": {"login": "acme"}, "repository": {**details, **fields}}


def commit(**changes: list[str]) -> dict[str, Any]:
    return {"added": [], "removed": [], "modified": [], **changes}


FILE = "https://github.com/acme/a/blob/main/catalog-info.yaml"


async def test_a_push_adds_removes_and_refreshes(github: Github) -> None:
    bench = await discovery().connect()
    added = push(commits=[commit(added=["catalog-info.yaml", "docs/catalog-info.yaml", "README.md"])])
    found = await bench.send(NAME, "github.push", added)
    assert (found.targets, found.refreshed) == ([FILE], [])
    found = await bench.send(NAME, "github.push", push(commits=[commit(modified=["catalog-info.yaml"])]))
    assert found.targets == [FILE]
    assert found.refreshed == [f"url:{FILE.replace('/blob/', '/tree/')}", f"url:{FILE}"]
    found = await bench.send(NAME, "github.push", push(commits=[commit(removed=["catalog-info.yaml"])]))
    assert found.targets == []
    assert found.full == 0


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ([commit(added=["catalog-info.yaml"]), commit(removed=["catalog-info.yaml"])], []),
        ([commit(removed=["catalog-info.yaml"]), commit(added=["catalog-info.yaml"])], [FILE]),
        ([commit(added=["catalog-info.yaml"]), commit(modified=["catalog-info.yaml"])], [FILE]),
        ([commit(added=["other.yaml"])], []),
        ("nonsense", []),
        ([None, {"added": 5}, {"added": [1, None]}], []),
    ],
)
async def test_the_last_commit_of_a_push_decides(github: Github, commits: Any, expected: list[str]) -> None:
    bench = await discovery().connect()
    assert (await bench.send(NAME, "github.push", push(commits=commits))).targets == expected


async def test_under_a_glob_a_push_refreshes_the_one_location(github: Github) -> None:
    bench = await discovery(catalogPath="/**/catalog-info.yaml").connect()
    changes = commit(added=["a/catalog-info.yaml"], removed=["b/catalog-info.yaml"], modified=["c.yaml"])
    found = await bench.send(NAME, "github.push", push(commits=[changes]))
    head = "url:https://github.com/acme/a"
    assert found.targets == [f"{head.removeprefix('url:')}/blob/main/**/catalog-info.yaml"]
    assert f"{head}/blob/main/**/catalog-info.yaml" in found.refreshed
    assert f"{head}/tree/main/b/catalog-info.yaml" in found.refreshed


@pytest.mark.parametrize(
    "ignored",
    [
        push(organization={"login": "other"}),
        push(organization=None),
        push(ref="refs/heads/main-2"),
        push(ref="refs/tags/main"),
        push(**event("skipped")),
    ],
)
async def test_pushes_elsewhere_are_ignored(github: Github, ignored: dict[str, Any]) -> None:
    bench = await discovery(filters={"repository": "a"}).connect()
    found = await bench.send(NAME, "github.push", {"commits": [commit(added=["catalog-info.yaml"])], **ignored})
    assert (found.targets, found.refreshed) == ([], [])


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"action": "archived", **event(archived=True)}, []),
        ({"action": "deleted", **event()}, []),
        ({"action": "edited", **event(topics=["hidden"])}, []),
        ({"action": "edited", **event()}, [FILE]),
        ({"action": "created", **event("new")}, [FILE]),
        ({"action": "privatized", **event()}, [FILE]),
        ({"action": "transferred", **event("b")}, [FILE, FILE.replace("/a/", "/b/")]),
        ({"action": "unarchived", **event("b")}, [FILE, FILE.replace("/a/", "/b/")]),
        ({"action": "unarchived", **event("b", topics=["hidden"])}, [FILE]),
        (
            {"action": "renamed", "changes": {"repository": {"name": {"from": "a"}}}, **event("b")},
            [FILE.replace("/a/", "/b/")],
        ),
        ({"action": "deleted", **event(), "organization": {"login": "other"}}, [FILE]),
    ],
)
async def test_events_of_repositories(github: Github, payload: dict[str, Any], expected: list[str]) -> None:
    github.repositories = [repository("a")]
    bench = await discovery(filters={"topic": {"exclude": ["hidden"]}}).connect()
    await bench.run(NAME)
    assert (await bench.send(NAME, "github.repository", payload)).targets == expected


async def test_a_repository_without_the_file_is_not_added_where_files_must_exist(github: Github) -> None:
    github.repositories = [repository("b", catalogInfoFile=None), repository("c")]
    bench = await discovery(validateLocationsExist=True).connect()
    for name in ("b", "c", "unknown"):
        found = await bench.send(NAME, "github.repository", {"action": "unarchived", **event(name)})
    assert found.targets == [FILE.replace("/a/", "/c/")]


async def test_an_event_that_cannot_be_one_is_refused(github: Github) -> None:
    bench = await discovery().connect()
    with pytest.raises(InputError, match=r"the event has no repository\.name"):
        await bench.send(NAME, "github.push", {"organization": {"login": "acme"}, "repository": []})


# The configuration.


SCHEDULE = {"frequency": {"minutes": 30}, "timeout": "3m"}


@pytest.mark.parametrize(
    ("github", "message"),
    [
        ({"main": {"host": "github.com"}}, "needs either an organization or an app"),
        ({"organization": "a", "app": 1}, "needs either an organization or an app"),
        ({"organization": "a", "filters": {"branch": "a/b"}}, "may not hold a slash"),
        ({"organization": "a", "filters": {"repository": "("}}, "expected a regular expression"),
        (
            {"organization": "a", "catalogPath": "/*.yaml", "validateLocationsExist": True},
            "The catalog path /.*yaml contains a wildcard, which is incompatible with validation of locations",
        ),
        ({"organization": "a", "schedule": {"frequency": "often", "timeout": "3m"}}, "'often' is not a duration"),
        ({"organization": "a", "schedule": {"frequency": {"trigger": "x"}, "timeout": "3m"}}, "trigger: manual"),
        ({"organization": "a", "schedule": {"frequency": {"minutes": 1}}}, "timeout' in .*it is required and missing"),
        ({"organization": "a", "schedule": {**SCHEDULE, "scope": "x"}}, "'global' or 'local'"),
        ({"organization": "a", "pageSizes": {"repositories": 0}}, "greater than or equal to 1"),
        ({"organization": ["a"]}, "organization' in .*expected a string, got array"),
    ],
)
def test_wrong_configuration_stops_the_start(github: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(Configuration({"catalog": {"providers": {"github": github}}}))


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [({"cron": "0 * * * *"}, "0 * * * *"), ({"trigger": "manual"}, "manual"), ("PT5M", timedelta(minutes=5))],
)
async def test_schedules_have_all_the_forms_of_backstage(frequency: Any, expected: Any) -> None:
    schedule = {"frequency": frequency, "timeout": "3m", "initialDelay": {"seconds": 15}, "scope": "local"}
    bench = await discovery(schedule=schedule).connect()
    wanted = Schedule(expected, timedelta(minutes=3), timedelta(seconds=15), "local")
    assert bench.schedules == {f"{NAME}:refresh": wanted}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"organization": "a", "host": "ghe.org"}, r"There is no GitHub config that matches host ghe\.org"),
        ({"app": 8}, "there is no app 8 under integrations.github for github.com"),
    ],
)
def test_a_provider_needs_its_integration(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Discovery({"github": settings}, TOKEN)


def test_nothing_is_imported_that_is_not_configured() -> None:
    assert Discovery({}).providers == {}
    assert Discovery({"github": None, "other": {"a": 1}}).providers == {}
