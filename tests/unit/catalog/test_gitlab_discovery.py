"""Projects of a GitLab: what is asked, what is filtered, what pushes change, and what a failure leaves."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from tests.unit.catalog.discovery_bench import Discovery

from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError, NotAllowedError
from understage.sdk import EventSubscriber, Schedule

API = "https://git.lab/sub/api/v4"
NAME = "GitlabDiscoveryEntityProvider:main"
SCHEDULE = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
INTEGRATIONS = {"gitlab": [{"host": "git.lab", "baseUrl": "https://git.lab/sub", "token": "t0ken"}]}


class Gitlab:
    """Projects by id, groups, the files that are where they should be, and answers that take the place of others."""

    def __init__(self, mock: respx.Router) -> None:
        self.projects: dict[int, dict[str, Any]] = {}
        self.groups: list[str] = []
        self.without_file: dict[int, int] = {}
        self.found: list[dict[str, Any]] = []
        self.asked: list[httpx.Request] = []
        self.trouble: httpx.Response | None = None
        mock.route(host="git.lab").mock(side_effect=self._answer)

    def add(self, path: str, **fields: Any) -> dict[str, Any]:
        number = len(self.projects) + 1
        self.projects[number] = project = {
            "id": number,
            "path_with_namespace": path,
            "web_url": f"https://git.lab/sub/{path}",
            "default_branch": "main",
            "archived": False,
            **fields,
        }
        return project

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.trouble is not None:
            return self.trouble
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/sub/api/v4")
        parts = path.strip("/").split("/")
        if path.endswith("/projects") or path == "/projects":
            group = parts[1].replace("%2F", "/") + "/" if parts[0] == "groups" else ""
            return self._page(request, [row for row in self.projects.values() if self._is_in(row, group)])
        if path == "/groups":
            return self._page(request, [{"full_path": group} for group in self.groups])
        if path.endswith("/search"):
            return self._page(request, self.found)
        if "/repository/files/" in path:
            return httpx.Response(self.without_file.get(int(parts[1]), 200))
        project = self.projects.get(int(parts[1]))
        return httpx.Response(200, json=project) if project else httpx.Response(404)

    def _is_in(self, row: dict[str, Any], group: str) -> bool:
        path: str = row["path_with_namespace"]
        return path.startswith(group)

    def _page(self, request: httpx.Request, rows: list[Any]) -> httpx.Response:
        number, size = int(request.url.params["page"]), int(request.url.params["per_page"])
        more = str(number + 1) if number * size < len(rows) else ""
        return httpx.Response(200, json=rows[(number - 1) * size : number * size], headers={"x-next-page": more})

    def paths(self) -> list[str]:
        return [request.url.raw_path.decode().removeprefix("/sub/api/v4") for request in self.asked]


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    with respx.mock(assert_all_called=False) as mock:
        yield Gitlab(mock)


async def connected(**settings: Any) -> Discovery:
    entry = {"host": "git.lab", "schedule": SCHEDULE, **settings}
    return await Discovery({"gitlab": {"main": entry}}, INTEGRATIONS).connect()


def place(path: str, branch: str = "main", file: str = "catalog-info.yaml") -> str:
    return f"https://git.lab/sub/{path}/-/blob/{branch}/{file}"


async def test_projects_with_the_file_become_optional_locations(gitlab: Gitlab) -> None:
    gitlab.add("acme/a")
    gitlab.add("acme/deep/b", default_branch=None)
    gitlab.add("acme/c")
    gitlab.add("acme/d")
    gitlab.add("acme/e", default_branch="a/b")
    gitlab.without_file = {3: 404, 4: 403}
    bench = await connected(group="acme")
    assert isinstance(bench.providers[NAME], EventSubscriber)
    found = await bench.run(NAME)
    assert found.targets == [place("acme/a"), place("acme/deep/b", "master"), place("acme/e", "a/b")]
    [first, *_] = found.given.values()
    assert (first.location_key, first.entity["spec"]["presence"]) == (NAME, "optional")
    assert gitlab.asked[0].url.params == httpx.QueryParams(
        archived="false", include_subgroups="true", per_page="50", page="1"
    )
    assert gitlab.paths()[0].startswith("/groups/acme/projects?")
    assert "/projects/1/repository/files/catalog-info.yaml?ref=main" in gitlab.paths()
    assert "/projects/5/repository/files/catalog-info.yaml?ref=a%2Fb" in gitlab.paths()
    assert {request.method for request in gitlab.asked[1:]} == {"HEAD"}
    assert {request.headers["authorization"] for request in gitlab.asked} == {"Bearer t0ken"}
    assert bench.schedules == {f"{NAME}:refresh": Schedule(timedelta(minutes=30), timedelta(minutes=3))}


async def test_all_pages_are_read(gitlab: Gitlab) -> None:
    for number in range(101):
        gitlab.add(f"acme/p{number}")
    found = await (await connected()).run(NAME)
    assert len(found.given) == 101
    assert sum(path.startswith("/projects?") for path in gitlab.paths()) == 3


@pytest.mark.parametrize(
    ("settings", "project", "expected"),
    [
        ({}, {}, True),
        ({"group": "acm"}, {}, False),
        ({"projectPattern": "^acme/x$"}, {}, True),
        ({"projectPattern": "/x"}, {}, True),
        ({"projectPattern": "^x"}, {}, False),
        ({"excludeRepos": ["acme/x"]}, {}, False),
        ({}, {"archived": True}, False),
        ({"includeArchivedRepos": True}, {"archived": True}, True),
        ({}, {"forked_from_project": {"id": 9}}, True),
        ({"skipForkedRepos": True}, {"forked_from_project": {"id": 9}}, False),
    ],
)
async def test_filters(gitlab: Gitlab, settings: dict[str, Any], project: dict[str, Any], expected: bool) -> None:
    gitlab.add("acme/x", **project)
    assert len((await (await connected(**settings)).run(NAME)).given) == int(expected)


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"membership": True}, {"membership": "true", "archived": "false"}),
        ({"topics": ["a", "b"]}, {"topics": "a,b", "archived": "false"}),
        ({"includeArchivedRepos": True}, {"simple": "true"}),
        ({"includeArchivedRepos": True, "skipForkedRepos": True}, {}),
    ],
)
async def test_gitlab_filters_what_it_can(gitlab: Gitlab, settings: dict[str, Any], asked: dict[str, str]) -> None:
    await (await connected(**settings)).run(NAME)
    assert dict(gitlab.asked[0].url.params) == {**asked, "per_page": "50", "page": "1"}


async def test_groups_are_chosen_by_patterns(gitlab: Gitlab) -> None:
    gitlab.groups = ["acme", "acme/deep", "beta", "other"]
    gitlab.add("acme/deep/a")
    gitlab.add("beta/b")
    gitlab.add("other/c")
    found = await (await connected(groupPattern=["^acme", "^beta$"], branch="dev", entityFilename="x/info.yml")).run(
        NAME
    )
    assert found.targets == [place("acme/deep/a", "dev", "x/info.yml"), place("beta/b", "dev", "x/info.yml")]
    assert "/projects/1/repository/files/x%2Finfo.yml?ref=dev" in gitlab.paths()


async def test_the_search_finds_files_anywhere(gitlab: Gitlab) -> None:
    gitlab.add("acme/a")
    gitlab.add("acme/hidden")
    for number, path in ((1, "catalog-info.yaml"), (1, "deep/catalog-info.yaml"), (1, "my-catalog-info.yaml.txt")):
        gitlab.found.append({"project_id": number, "ref": "main", "path": path})
    gitlab.found += [{"project_id": number, "ref": "main", "path": "catalog-info.yaml"} for number in (2, 99)]
    bench = await connected(group="acme", useSearch=True, excludeRepos=["acme/hidden"])
    found = await bench.run(NAME)
    assert found.targets == [place("acme/a"), place("acme/a", file="deep/catalog-info.yaml")]
    asked = gitlab.asked[0].url
    assert asked.path == "/sub/api/v4/groups/acme/search"
    assert (asked.params["scope"], asked.params["search"]) == ("blobs", "filename:catalog-info.yaml")


@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        (httpx.Response(401), NotAllowedError, r"check the credentials of git\.lab under integrations\.gitlab"),
        (httpx.Response(500), ForeignError, "answered 500"),
        (httpx.Response(200, json={"message": "x"}), ForeignError, "no list of objects"),
    ],
)
async def test_a_failure_leaves_what_was_there(
    gitlab: Gitlab, trouble: httpx.Response, error: type[Exception], message: str
) -> None:
    gitlab.add("acme/a")
    bench = await connected()
    await bench.run(NAME)
    gitlab.trouble = trouble
    with pytest.raises(error, match=message):
        await bench.run(NAME)
    assert len(bench.connections[NAME].given) == bench.connections[NAME].full == 1


@pytest.mark.parametrize("status", [403, 500])
async def test_files_that_may_not_be_seen_are_no_reason_to_forget_all(gitlab: Gitlab, status: int) -> None:
    gitlab.add("acme/a")
    gitlab.add("acme/b")
    bench = await connected()
    await bench.run(NAME)
    gitlab.without_file = {1: status, 2: status}
    with pytest.raises((NotAllowedError, ForeignError)):
        await bench.run(NAME)
    assert len(bench.connections[NAME].given) == 2


# Pushes.


def push(number: int = 1, ref: str = "refs/heads/main", **changes: list[str]) -> dict[str, Any]:
    return {"project_id": number, "ref": ref, "commits": [{"added": [], "removed": [], "modified": [], **changes}]}


FILE = ["catalog-info.yaml"]


async def test_a_push_adds_refreshes_and_removes(gitlab: Gitlab) -> None:
    gitlab.add("acme/a")
    bench = await connected()
    found = await bench.send(NAME, "gitlab.push", push(added=["README.md", *FILE]))
    assert (found.targets, found.refreshed) == ([place("acme/a")], [])
    found = await bench.send(NAME, "gitlab.push", push(modified=FILE))
    assert found.refreshed == [f"url:{place('acme/a').replace('/-/blob/', '/-/tree/')}", f"url:{place('acme/a')}"]
    found = await bench.send(NAME, "gitlab.push", push(removed=FILE))
    assert (found.targets, found.full) == ([], 0)


@pytest.mark.parametrize(
    "ignored",
    [
        push(added=["README.md"]),
        push(added=["deep/catalog-info.yaml"]),
        push(ref="refs/heads/other", added=FILE),
        push(ref="refs/tags/main", added=FILE),
        push(2, added=FILE),
        push(3, added=FILE),
        push(99, added=FILE),
        {"project_id": 1, "ref": "refs/heads/main", "commits": "x"},
    ],
)
async def test_pushes_of_no_concern_are_ignored(gitlab: Gitlab, ignored: dict[str, Any]) -> None:
    gitlab.add("acme/a")
    gitlab.add("other/b")
    gitlab.add("acme/c", archived=True)
    found = await (await connected(groupPattern="^acme")).send(NAME, "gitlab.push", ignored)
    assert (found.mutations, found.refreshed) == (0, [])


async def test_an_event_that_cannot_be_one_is_refused(gitlab: Gitlab) -> None:
    with pytest.raises(InputError, match="the event has no project_id"):
        await (await connected()).send(NAME, "gitlab.push", {"project_id": "1"})


# The configuration.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": SCHEDULE}, r"gitlab\.main\.host' in .*it is required"),
        ({"host": "git.lab"}, r"gitlab\.main\.schedule' in .*it is required"),
        ({"host": "git.lab", "schedule": SCHEDULE, "useSearch": True}, "useSearch needs a group"),
        ({"host": "git.lab", "schedule": SCHEDULE, "projectPattern": "("}, "expected a regular expression"),
    ],
)
def test_wrong_configuration_stops_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(Configuration({"catalog": {"providers": {"gitlab": {"main": settings}}}}))


def test_a_provider_needs_its_integration() -> None:
    with pytest.raises(InputError, match=r"No gitlab integration found that matches host other\.lab"):
        Discovery({"gitlab": {"main": {"host": "other.lab", "schedule": SCHEDULE}}})
    assert list(Discovery({"gitlab": {"main": {"host": "gitlab.com", "schedule": SCHEDULE}}}).providers) == [NAME]
