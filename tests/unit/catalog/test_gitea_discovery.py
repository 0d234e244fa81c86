"""Repositories of Gitea organizations: requests, failures, configuration. With a real Gitea: tests/cluster."""

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
from understage.sdk import Schedule

API = "https://tea.org/api/v1"
NAME = "gitea-provider:main"
SCHEDULE = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
SETTINGS = {"host": "tea.org", "organization": "acme", "schedule": SCHEDULE}
INTEGRATIONS = {"gitea": [{"host": "tea.org", "username": "bot", "password": "pw"}]}


def repository(name: str, *, empty: bool = False) -> dict[str, Any]:
    return {"name": name, "html_url": f"https://tea.org/acme/{name}", "empty": empty}


@pytest.fixture
def web() -> Iterator[respx.Router]:
    with respx.mock(assert_all_called=False) as mock:
        yield mock


def listed(web: respx.Router, *pages: list[dict[str, Any]]) -> respx.Route:
    answers = [httpx.Response(200, json=page) for page in (*pages, [])]
    return web.get(f"{API}/orgs/acme/repos").mock(side_effect=answers)


async def test_repositories_with_the_file_become_locations(web: respx.Router) -> None:
    route = listed(web, [repository("a"), repository("b")], [repository("c", empty=True), repository("d")])
    files = {name: web.get(f"{API}/repos/acme/{name}/contents/catalog-info.yaml") for name in "abcd"}
    for name, file in files.items():
        file.respond(404 if name == "b" else 200, json={})
    bench = await Discovery({"gitea": {"main": SETTINGS}}, INTEGRATIONS).connect()
    found = await bench.run(NAME)
    assert found.targets == [f"https://tea.org/acme/{name}/src/branch/main/catalog-info.yaml" for name in "ad"]
    [first, _] = found.given.values()
    assert first.location_key == NAME
    assert first.entity["spec"].keys() == {"type", "target"}
    assert [dict(call.request.url.params) for call in route.calls] == [
        {"limit": "50", "page": str(page)} for page in (1, 2, 3)
    ]
    assert route.calls.last.request.headers["authorization"] == "basic Ym90OnB3"
    assert files["a"].calls.last.request.url.params["ref"] == "main"
    assert not files["c"].called
    assert bench.schedules == {f"{NAME}:refresh": Schedule(timedelta(minutes=30), timedelta(minutes=3))}


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (403, NotAllowedError, "check the credentials of tea.org under integrations.gitea"),
        (500, ForeignError, "tea.org answered 500"),
    ],
)
@pytest.mark.parametrize("place", ["list", "file"])
async def test_a_failure_leaves_what_was_there(
    web: respx.Router, place: str, status: int, error: type[Exception], message: str
) -> None:
    listed(web, [repository("a")])
    file = web.get(f"{API}/repos/acme/a/contents/catalog-info.yaml").respond(200, json={})
    bench = await Discovery({"gitea": {"main": SETTINGS}}, INTEGRATIONS).connect()
    await bench.run(NAME)
    listed(web, [repository("a")])
    if place == "list":
        web.get(f"{API}/orgs/acme/repos").mock(return_value=httpx.Response(status))
    else:
        file.respond(status)
    with pytest.raises(error, match=message):
        await bench.run(NAME)
    assert len(bench.connections[NAME].given) == bench.connections[NAME].full == 1


@pytest.mark.parametrize("missing", ["host", "organization", "schedule"])
def test_a_provider_is_configured_whole(missing: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != missing}
    with pytest.raises(InputError, match=rf"providers\.gitea\.main\.{missing}' in .*it is required and missing"):
        read_settings(Configuration({"catalog": {"providers": {"gitea": {"main": settings}}}}))


def test_a_provider_needs_its_integration() -> None:
    with pytest.raises(InputError, match=r"No Gitea integration found that matches host tea\.org"):
        Discovery({"gitea": {"main": SETTINGS}})
