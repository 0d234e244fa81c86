"""People and groups of a GitLab: where they are read, entities, deltas by system hooks, and what a failure leaves."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs
from tests.unit.catalog.discovery_bench import Discovery, Recorder

from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import find_kind
from understage.sdk import EventSubscriber

NAME = "GitlabOrgDiscoveryEntityProvider:main"
SCHEDULE = {"frequency": {"hours": 1}, "timeout": {"minutes": 15}}


class Gitlab:
    """People by user name, groups by full path, and who is in which."""

    def __init__(self, mock: respx.Router) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.members: dict[str, list[str]] = {}
        self.hidden: set[str] = set()
        self.asked: list[str] = []
        self.variables: list[dict[str, Any]] = []
        self.trouble: httpx.Response | None = None
        mock.route(host="git.lab").mock(side_effect=self._answer)
        mock.route(host="gitlab.com").mock(side_effect=self._answer)

    def user(self, username: str, **fields: Any) -> dict[str, Any]:
        number = 100 + len(self.users)
        place = f"https://git.lab/{username}"
        self.users[username] = row = {
            "id": number,
            "username": username,
            "state": "active",
            "web_url": place,
            **fields,
        }
        return row

    def group(self, path: str, *members: str, **fields: Any) -> dict[str, Any]:
        parent = self.groups.get(path.rpartition("/")[0], {}).get("id")
        number = 1 + len(self.groups)
        name = path.rpartition("/")[2].title()
        self.groups[path] = row = {"id": number, "full_path": path, "name": name, "parent_id": parent, **fields}
        self.members[path] = list(members)
        return row

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/api/v4")
        self.asked.append(path)
        if self.trouble is not None:
            return self.trouble
        if path == "/api/graphql":
            return self._graphql(json.loads(request.content))
        parts = [part.replace("%2F", "/") for part in path.strip("/").split("/")]
        if path == "/users":
            return self._page(request, list(self.users.values()))
        if path == "/groups":
            return self._page(request, list(self.groups.values()))
        if path.endswith("/members/all"):
            rows = [self.users[name] for name in self.members[parts[1]]]
            return self._page(request, rows)
        kind = self.users if parts[0] == "users" else self.groups
        found = next((row for row in kind.values() if parts[1] in (str(row["id"]), row.get("full_path"))), None)
        return httpx.Response(200, json=found) if found else httpx.Response(404)

    def _page(self, request: httpx.Request, rows: list[Any]) -> httpx.Response:
        number, size = int(request.url.params["page"]), int(request.url.params["per_page"])
        more = str(number + 1) if number * size < len(rows) else ""
        return httpx.Response(200, json=rows[(number - 1) * size : number * size], headers={"x-next-page": more})

    def _graphql(self, body: dict[str, Any]) -> httpx.Response:
        variables = body["variables"]
        self.variables.append(variables)
        path, start = variables["group"], int(variables["cursor"] or 0)
        if path in self.hidden:
            return httpx.Response(200, json={"data": {"group": None}})
        if "descendantGroups" in body["query"]:
            nodes = [
                {
                    "id": f"gid://gitlab/Group/{row['id']}",
                    "name": row["name"],
                    "description": row.get("description"),
                    "fullPath": row["full_path"],
                    "parent": {"id": f"gid://gitlab/Group/{row['parent_id']}"},
                }
                for row in self.groups.values()
                if row["full_path"].startswith(f"{path}/")
            ]
        else:
            members = [self.users[name] for name in self.members[path]]
            nodes = [{"user": {"id": f"gid://gitlab/User/{row['id']}", "username": row["username"]}} for row in members]
        page = {"hasNextPage": start + 2 < len(nodes), "endCursor": str(start + 2)}
        found = {"nodes": nodes[start : start + 2], "pageInfo": page}
        return httpx.Response(200, json={"data": {"group": {"list": found}}})


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    with respx.mock(assert_all_called=False) as mock:
        yield Gitlab(mock)


async def connected(host: str = "git.lab", **settings: Any) -> Discovery:
    entry = {"host": host, "orgEnabled": True, "schedule": SCHEDULE, **settings}
    return await Discovery({"gitlab": {"main": entry}}, {"gitlab": [{"host": host, "token": "t"}]}).connect()


def groups_of(found: Recorder, name: str) -> list[str]:
    member_of: list[str] = found.entity(f"user:default/{name}")["spec"]["memberOf"]
    return member_of


def acme(gitlab: Gitlab) -> None:
    gitlab.user("Ada", name="Ada L.", email="ada@example.com", avatar_url="https://a/1")
    gitlab.user("bob", group_saml_identity={"extern_uid": "saml-7"})
    gitlab.user("gone", state="blocked")
    gitlab.group("acme", "Ada", description="All of us")
    gitlab.group("acme/core", "Ada", "bob", "gone")
    gitlab.group("acme/core/deep", "bob")
    gitlab.group("acme/empty")
    gitlab.group("other", "bob")


async def test_people_and_the_groups_they_are_in(gitlab: Gitlab) -> None:
    acme(gitlab)
    bench = await connected(group="acme")
    assert isinstance(bench.providers[NAME], EventSubscriber)
    found = await bench.run(NAME)
    assert sorted(found.given) == [
        "group:default/acme",
        "group:default/core",
        "group:default/core-deep",
        "user:default/ada",
        "user:default/bob",
    ]
    assert {provided.location_key for provided in found.given.values()} == {NAME}
    assert found.entity("user:default/ada") == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": "Ada",
            "annotations": {
                "backstage.io/managed-by-location": "url:https://git.lab/Ada",
                "backstage.io/managed-by-origin-location": "url:https://git.lab/Ada",
                "git.lab/user-login": "https://git.lab/Ada",
            },
        },
        "spec": {
            "profile": {"displayName": "Ada L.", "picture": "https://a/1", "email": "ada@example.com"},
            "memberOf": ["acme", "core"],
        },
    }
    assert found.entity("group:default/acme") == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {
            "name": "acme",
            "description": "All of us",
            "annotations": {
                "backstage.io/managed-by-location": "url:https://git.lab/acme",
                "backstage.io/managed-by-origin-location": "url:https://git.lab/acme",
                "git.lab/team-path": "acme",
            },
        },
        "spec": {"type": "team", "children": [], "profile": {"displayName": "Acme"}},
    }
    assert found.entity("group:default/core-deep")["spec"]["parent"] == "core"
    assert groups_of(found, "bob") == ["core", "core-deep"]
    assert found.entity("user:default/bob")["metadata"]["annotations"]["git.lab/saml-external-uid"] == "saml-7"
    for provided in found.given.values():
        entity = check_policies(check_envelope(provided.entity))
        kind = find_kind(entity)
        assert kind is not None
        assert list(kind.schema.violations(entity)) == []


@pytest.mark.parametrize(
    ("host", "settings", "asked", "names"),
    [
        ("git.lab", {"group": "acme"}, ["/users", "/groups"], ["ada", "bob"]),
        ("git.lab", {"group": "acme", "restrictUsersToGroup": True}, ["/groups/acme/members/all"], ["ada"]),
        ("gitlab.com", {"group": "acme/core"}, ["/groups/acme/members/all", "/groups/acme%2Fcore"], ["ada"]),
        (
            "gitlab.com",
            {"group": "acme/core", "restrictUsersToGroup": True, "includeUsersWithoutSeat": True},
            ["/groups/acme%2Fcore/members/all"],
            ["ada", "bob"],
        ),
        ("git.lab", {"userPattern": "@example"}, ["/users"], ["ada"]),
        ("git.lab", {"userPattern": "^bo"}, ["/users"], ["bob"]),
    ],
)
async def test_where_people_are_read(
    gitlab: Gitlab, host: str, settings: dict[str, Any], asked: list[str], names: list[str]
) -> None:
    acme(gitlab)
    gitlab.users["Ada"]["is_using_seat"] = True
    gitlab.user("project_7_bot_8")
    gitlab.users["project_7_bot_8"]["state"] = "inactive"
    gitlab.members["acme/core"].append("project_7_bot_8")
    found = await (await connected(host, **settings)).run(NAME)
    people = [ref.removeprefix("user:default/") for ref in found.given if ref.startswith("user:")]
    assert sorted(people) == names
    assert set(asked) <= set(gitlab.asked)


@pytest.mark.parametrize(
    ("settings", "relations"),
    [
        ({}, ["DIRECT"]),
        ({"allowInherited": True}, ["DIRECT", "INHERITED"]),
        ({"relations": ["DESCENDANTS", "DIRECT"], "allowInherited": True}, ["DIRECT", "DESCENDANTS"]),
    ],
)
async def test_relations_of_members(gitlab: Gitlab, settings: dict[str, Any], relations: list[str]) -> None:
    acme(gitlab)
    await (await connected(groupPattern="^acme$", **settings)).run(NAME)
    asked = [variables for variables in gitlab.variables if "relations" in variables]
    assert [(variables["group"], variables["relations"]) for variables in asked] == [("acme", relations)]


async def test_all_members_are_read(gitlab: Gitlab) -> None:
    names = [f"user{number}" for number in range(5)]
    for name in names:
        gitlab.user(name)
    gitlab.group("acme", *names)
    found = await (await connected()).run(NAME)
    assert all(groups_of(found, name) == ["acme"] for name in names)


async def test_a_group_that_may_not_be_looked_into_is_told(gitlab: Gitlab) -> None:
    acme(gitlab)
    gitlab.hidden = {"acme/core"}
    with capture_logs() as logs:
        found = await (await connected(group="acme")).run(NAME)
    assert groups_of(found, "ada") == ["acme"]
    assert [line["group"] for line in logs if "may not be looked into" in line["event"]] == ["acme/core"]


async def test_a_failure_leaves_what_was_there(gitlab: Gitlab) -> None:
    acme(gitlab)
    bench = await connected(group="acme")
    await bench.run(NAME)
    gitlab.trouble = httpx.Response(500)
    with pytest.raises(ForeignError, match=r"git\.lab answered 500"):
        await bench.run(NAME)
    assert len(bench.connections[NAME].given) == 5


# System hooks.


async def rounded(gitlab: Gitlab) -> Discovery:
    acme(gitlab)
    bench = await connected(group="acme")
    await bench.run(NAME)
    return bench


async def test_people_come_and_go(gitlab: Gitlab) -> None:
    bench = await rounded(gitlab)
    gitlab.user("eve")
    found = await bench.send(NAME, "gitlab.user_create", {"user_id": gitlab.users["eve"]["id"]})
    assert groups_of(found, "eve") == []
    found = await bench.send(NAME, "gitlab.user_destroy", {"user_id": 1, "username": "Ada"})
    assert "user:default/ada" not in found.given
    before = dict(found.given)
    found = await bench.send(NAME, "gitlab.user_create", {"user_id": gitlab.users["gone"]["id"]})
    assert found.given == before


async def test_groups_come_and_go_and_leave_nobody_behind(gitlab: Gitlab) -> None:
    bench = await rounded(gitlab)
    gitlab.group("acme/new")
    found = await bench.send(NAME, "gitlab.group_create", {"group_id": gitlab.groups["acme/new"]["id"]})
    assert found.entity("group:default/new")["spec"]["parent"] == "acme"
    found = await bench.send(NAME, "gitlab.group_destroy", {"full_path": "acme/core", "group_id": 2})
    assert "group:default/core" not in found.given
    assert (groups_of(found, "ada"), groups_of(found, "bob")) == (["acme"], ["core-deep"])


async def test_a_renamed_group_takes_its_people_along(gitlab: Gitlab) -> None:
    bench = await rounded(gitlab)
    gitlab.groups["acme/core"]["full_path"] = "acme/heart"
    event = {"group_id": gitlab.groups["acme/core"]["id"], "old_full_path": "acme/core", "full_path": "acme/heart"}
    found = await bench.send(NAME, "gitlab.group_rename", event)
    assert "group:default/heart" in found.given
    assert "group:default/core" not in found.given
    assert groups_of(found, "ada") == ["acme", "heart"]


async def test_memberships_change_group_and_user(gitlab: Gitlab) -> None:
    bench = await rounded(gitlab)
    group = gitlab.groups["acme/core/deep"]["id"]
    gitlab.members["acme/core/deep"] = ["bob", "Ada"]
    event = {"group_id": group, "user_username": "Ada", "user_id": gitlab.users["Ada"]["id"]}
    found = await bench.send(NAME, "gitlab.user_add_to_group", event)
    assert found.entity("group:default/core-deep")["spec"]["members"] == ["bob", "Ada"]
    assert groups_of(found, "ada") == ["acme", "core", "core-deep"]
    gitlab.members["acme/core/deep"] = ["bob"]
    found = await bench.send(NAME, "gitlab.user_remove_from_group", event)
    assert found.entity("group:default/core-deep")["spec"]["members"] == ["bob"]
    assert groups_of(found, "ada") == ["acme", "core"]
    eve = gitlab.user("eve")
    event = {"group_id": group, "user_username": "eve", "user_id": eve["id"]}
    found = await bench.send(NAME, "gitlab.user_add_to_group", event)
    assert groups_of(found, "eve") == ["core-deep"]


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        ("gitlab.group_destroy", {"full_path": "other"}),
        ("gitlab.group_create", {"group_id": 5}),
        ("gitlab.group_create", {"group_id": 99}),
        ("gitlab.user_create", {"user_id": 999}),
        ("gitlab.user_add_to_group", {"group_id": 5, "user_username": "bob", "user_id": 101}),
    ],
)
async def test_hooks_of_no_concern_are_ignored(gitlab: Gitlab, topic: str, event: dict[str, Any]) -> None:
    bench = await rounded(gitlab)
    before = dict(bench.connections[NAME].given)
    assert (await bench.send(NAME, topic, event)).given == before


@pytest.mark.parametrize(
    ("topic", "event", "missing"),
    [
        ("gitlab.group_create", {"group_id": "1"}, "group_id"),
        ("gitlab.group_destroy", {}, "full_path"),
        ("gitlab.user_destroy", {"username": 1}, "username"),
    ],
)
async def test_hooks_that_cannot_be_ones_are_refused(
    gitlab: Gitlab, topic: str, event: dict[str, Any], missing: str
) -> None:
    with pytest.raises(InputError, match=re.escape(f"the event has no {missing}")):
        await (await connected()).send(NAME, topic, event)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "gitlab.com", "orgEnabled": True}, "Missing 'group' value"),
        ({"host": "git.lab", "orgEnabled": True, "restrictUsersToGroup": True}, "restrictUsersToGroup needs a group"),
        ({"host": "git.lab", "relations": ["COUSIN"]}, "'DIRECT', 'INHERITED'"),
    ],
)
def test_wrong_configuration_stops_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(
            Configuration({"catalog": {"providers": {"gitlab": {"main": {**settings, "schedule": SCHEDULE}}}}})
        )


def test_people_are_given_only_where_they_are_asked_for() -> None:
    entry = {"host": "gitlab.com", "schedule": SCHEDULE}
    assert list(Discovery({"gitlab": {"main": entry}}).providers) == ["GitlabDiscoveryEntityProvider:main"]
