"""Members and teams of GitHub organizations: entities, namespaces, pages, deltas by events, and what a failure leaves."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import respx
from tests.unit.catalog.discovery_bench import Discovery, Recorder

from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import find_kind
from understage.sdk import EventSubscriber

NAME = "GithubMultiOrgEntityProvider:production"
SCHEDULE = {"frequency": {"hours": 1}, "timeout": {"minutes": 15}}
TOKEN = {"github": [{"host": "github.com", "token": "t0ken"}]}


@dataclass
class Org:
    """An organization: members by login, teams by slug."""

    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    teams: dict[str, dict[str, Any]] = field(default_factory=dict)

    def member(self, login: str, **fields: Any) -> None:
        self.members[login] = {"id": f"node-{login}", "login": login, **fields}

    def team(self, slug: str, *members: str, parent: str | None = None, **fields: Any) -> None:
        self.teams[slug] = {"slug": slug, "members": list(members), "parent": parent, **fields}


class Github:
    """GraphQL answers of some organizations."""

    def __init__(self, mock: respx.Router) -> None:
        self.orgs: dict[str, Org] = {"acme": Org()}
        self.asked: list[dict[str, Any]] = []
        self.trouble: httpx.Response | None = None
        mock.post("https://api.github.com/graphql").mock(side_effect=self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        name, variables = body["query"].split()[1].partition("(")[0], body["variables"]
        self.asked.append({"query": name, **variables})
        if self.trouble is not None:
            return self.trouble
        answers: dict[str, Callable[[Any], Any]] = {
            "users": self._users,
            "user": self._user,
            "teams": self._teams,
            "team": self._team,
            "members": self._members,
        }
        return httpx.Response(200, json={"data": answers[name](variables)})

    def _users(self, variables: Any) -> Any:
        rows = list(self.orgs[variables["org"]].members.values())
        return {"organization": {"membersWithRole": page(rows, variables, "organizationMembersPageSize")}}

    def _user(self, variables: Any) -> Any:
        login = variables["login"]
        found = next((org.members[login] for org in self.orgs.values() if login in org.members), None)
        mine = [{"login": name} for name, org in self.orgs.items() if login in org.members]
        return {"user": found and {**found, "organizations": {"nodes": mine}}}

    def _teams(self, variables: Any) -> Any:
        wanted = variables["userLogins"]
        rows = [
            self._shown(team, variables)
            for team in self.orgs[variables["org"]].teams.values()
            if wanted is None or set(wanted) & set(team["members"])
        ]
        return {"organization": {"teams": page(rows, variables, "teamsPageSize")}}

    def _team(self, variables: Any) -> Any:
        team = self.orgs[variables["org"]].teams.get(variables["teamSlug"])
        return {"organization": {"team": team and self._shown(team, variables)}}

    def _members(self, variables: Any) -> Any:
        rows = [{"login": login} for login in self.orgs[variables["org"]].teams[variables["teamSlug"]]["members"]]
        return {"organization": {"team": {"members": page(rows, variables, "membersPageSize")}}}

    def _shown(self, team: dict[str, Any], variables: Any) -> dict[str, Any]:
        rows = [{"login": login} for login in team["members"]]
        parent = {"slug": team["parent"]} if team["parent"] else None
        combined = f"{variables['org']}/{team['slug']}"
        first = page(rows, {**variables, "cursor": None}, "membersPageSize")
        return {"combinedSlug": combined, **team, "parentTeam": parent, "members": first}


def page(rows: list[Any], variables: Any, size: str) -> dict[str, Any]:
    start = int(variables["cursor"] or 0)
    end = start + variables[size]
    return {"nodes": rows[start:end], "pageInfo": {"hasNextPage": end < len(rows), "endCursor": str(end)}}


@pytest.fixture
def github() -> Iterator[Github]:
    with respx.mock(assert_all_called=False) as mock:
        yield Github(mock)


async def connected(*orgs: str, integrations: Any = None, **settings: Any) -> Discovery:
    entry = {"id": "production", "githubUrl": "https://github.com", "schedule": SCHEDULE, "orgs": list(orgs)}
    return await Discovery({"githubOrg": {**entry, **settings}}, integrations or TOKEN).connect()


def groups_of(found: Recorder, login: str) -> list[str]:
    member_of: list[str] = found.entity(f"user:default/{login}")["spec"]["memberOf"]
    return member_of


async def test_one_organization_gives_users_and_groups_in_the_default_namespace(github: Github) -> None:
    acme = github.orgs["acme"]
    acme.member("Ada", name="Ada L.", bio="Engines", email="ada@example.com", avatarUrl="https://a/1")
    acme.member("bob")
    acme.team("platform", "Ada", name="Platform", description="Runs it", editTeamUrl="https://e", avatarUrl="https://t")
    acme.team("core", "bob", "Ada", parent="platform", name="Core")
    bench = await connected("acme")
    assert isinstance(bench.providers[NAME], EventSubscriber)
    assert bench.connections["GithubOrgEntityProvider:production"].full == 1
    found = await bench.run(NAME)
    assert sorted(found.given) == [
        "group:default/core",
        "group:default/platform",
        "user:default/ada",
        "user:default/bob",
    ]
    assert {provided.location_key for provided in found.given.values()} == {"github-multi-org-provider:production"}
    assert found.entity("user:default/ada") == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": "Ada",
            "description": "Engines",
            "annotations": {
                "backstage.io/managed-by-location": "url:https://github.com/Ada",
                "backstage.io/managed-by-origin-location": "url:https://github.com/Ada",
                "github.com/user-login": "Ada",
                "github.com/user-id": "node-Ada",
            },
        },
        "spec": {
            "profile": {"displayName": "Ada L.", "email": "ada@example.com", "picture": "https://a/1"},
            "memberOf": ["platform", "core"],
        },
    }
    assert found.entity("group:default/platform") == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {
            "name": "platform",
            "description": "Runs it",
            "annotations": {
                "backstage.io/managed-by-location": "url:https://github.com/orgs/acme/teams/platform",
                "backstage.io/managed-by-origin-location": "url:https://github.com/orgs/acme/teams/platform",
                "github.com/team-slug": "acme/platform",
                "backstage.io/edit-url": "https://e",
            },
        },
        "spec": {
            "type": "team",
            "profile": {"displayName": "Platform", "picture": "https://t"},
            "children": ["core"],
            "members": ["Ada"],
        },
    }
    assert found.entity("group:default/core")["spec"]["parent"] == "platform"
    for provided in found.given.values():
        entity = check_policies(check_envelope(provided.entity))
        kind = find_kind(entity)
        assert kind is not None
        assert list(kind.schema.violations(entity)) == []


async def test_several_organizations_have_namespaces(github: Github) -> None:
    github.orgs["Beta"] = Org()
    for org in github.orgs.values():
        org.member("ada")
        org.team("core", "ada")
    found = await (await connected("acme", "Beta")).run(NAME)
    assert sorted(found.given) == ["group:acme/core", "group:beta/core", "user:default/ada"]
    assert groups_of(found, "ada") == ["acme/core", "beta/core"]
    assert found.entity("group:beta/core")["spec"]["members"] == ["default/ada"]
    location = found.entity("group:beta/core")["metadata"]["annotations"]["backstage.io/managed-by-location"]
    assert location == "url:https://github.com/orgs/Beta/teams/core"


async def test_two_entries_have_namespaces_and_providers_of_their_own(github: Github) -> None:
    entry = {"githubUrl": "https://github.com", "schedule": SCHEDULE, "orgs": ["acme"]}
    github.orgs["acme"].team("core")
    bench = await Discovery({"githubOrg": [{"id": "one", **entry}, {"id": "two", **entry}]}, TOKEN).connect()
    assert sorted(bench.schedules) == [f"GithubMultiOrgEntityProvider:{name}:refresh" for name in ("one", "two")]
    assert list((await bench.run("GithubMultiOrgEntityProvider:two")).given) == ["group:acme/core"]


async def test_all_pages_are_read_also_those_of_the_members_of_a_team(github: Github) -> None:
    names = [f"user{number}" for number in range(7)]
    for name in names:
        github.orgs["acme"].member(name)
        github.orgs["acme"].team(f"team-{name}")
    github.orgs["acme"].team("everybody", *names)
    sizes = {"teams": 3, "teamMembers": 2, "organizationMembers": 4}
    found = await (await connected("acme", pageSizes=sizes)).run(NAME)
    assert len(found.given) == 7 + 8
    assert found.entity("group:default/everybody")["spec"]["members"] == names
    assert groups_of(found, "user6") == ["everybody"]
    assert [asked["query"] for asked in github.asked] == ["users"] * 2 + ["teams"] * 3 + ["members"] * 4


async def test_the_installations_of_the_apps_are_the_organizations(
    github: Github, monkeypatch: pytest.MonkeyPatch
) -> None:
    from understage.integrations.github.credentials import Credential, GithubCredentials, Installation

    async def installations(_self: Any, app_id: int | None = None) -> list[Installation]:
        return [
            Installation(1, "acme", "Organization", False),
            Installation(2, "ada", "User", False),
            Installation(3, "gone", "Organization", True),
        ]

    async def find(_self: Any, owner: str, repository: str | None = None) -> Credential:
        return Credential("app", "app")

    monkeypatch.setattr(GithubCredentials, "list_installations", installations)
    monkeypatch.setattr(GithubCredentials, "find", find)
    github.orgs["acme"].member("ada")
    bench = await connected(integrations={"github": [{"apps": [{"appId": 7, "privateKey": "k"}]}]})
    assert list((await bench.run(NAME)).given) == ["user:default/ada"]
    # Apps may not ask for e-mail addresses.
    assert {asked["email"] for asked in github.asked if "email" in asked} == {False}
    assert {asked["org"] for asked in github.asked} == {"acme"}


async def test_who_is_suspended_and_which_address_is_verified(github: Github) -> None:
    github.orgs["acme"].member("ada", email="ada@home", organizationVerifiedDomainEmails=["ada@acme", "a@acme"])
    github.orgs["acme"].member("bob", suspendedAt="2026-01-01T00:00:00Z", email="bob@home")
    transformer = {"useVerifiedEmails": True}
    found = await (await connected("acme", excludeSuspendedUsers=True, defaultUserTransformer=transformer)).run(NAME)
    assert list(found.given) == ["user:default/ada"]
    assert found.entity("user:default/ada")["spec"]["profile"] == {"email": "ada@acme"}


async def test_a_failure_leaves_what_was_there(github: Github) -> None:
    github.orgs["acme"].member("ada")
    bench = await connected("acme")
    await bench.run(NAME)
    github.trouble = httpx.Response(200, json={"errors": [{"message": "no scope read:org"}], "data": None})
    with pytest.raises(ForeignError, match=r"no scope read:org\. Check what the credentials"):
        await bench.run(NAME)
    assert list(bench.connections[NAME].given) == ["user:default/ada"]


# Events.


def of(org: str, action: str, **fields: Any) -> dict[str, Any]:
    return {"organization": {"login": org}, "action": action, **fields}


def member(login: str) -> dict[str, Any]:
    return {"membership": {"user": {"login": login}}}


async def test_a_member_who_comes_has_groups_and_one_who_goes_is_removed(github: Github) -> None:
    acme = github.orgs["acme"]
    bench = await connected("acme")
    acme.member("Ada", name="Ada")
    acme.team("core", "Ada")
    found = await bench.send(NAME, "github.organization", of("acme", "member_added", **member("Ada")))
    assert list(found.given) == ["user:default/ada"]
    assert (groups_of(found, "ada"), found.entity("user:default/ada")["spec"]["profile"]) == (
        ["core"],
        {"displayName": "Ada"},
    )
    del acme.members["Ada"]
    found = await bench.send(NAME, "github.organization", of("acme", "member_removed", **member("Ada")))
    assert (list(found.given), found.full) == ([], 0)


async def test_a_member_of_another_organization_stays(github: Github) -> None:
    github.orgs["beta"] = Org()
    github.orgs["beta"].member("ada")
    github.orgs["beta"].team("other", "ada")
    bench = await connected("acme", "beta")
    found = await bench.send(NAME, "github.organization", of("acme", "member_removed", **member("ada")))
    assert groups_of(found, "ada") == ["beta/other"]


async def test_teams_come_change_and_go(github: Github) -> None:
    acme = github.orgs["acme"]
    bench = await connected("acme")
    acme.team("core", name="Core", parent="platform")
    found = await bench.send(NAME, "github.team", of("acme", "created", team={"slug": "core"}))
    assert found.entity("group:default/core")["spec"]["parent"] == "platform"
    del acme.teams["core"]
    acme.member("ada")
    acme.team("heart-piece", "ada", name="Heart & piece")
    renamed = of("acme", "edited", team={"slug": "heart-piece"}, changes={"name": {"from": "Core"}})
    found = await bench.send(NAME, "github.team", renamed)
    assert sorted(found.given) == ["group:default/heart-piece", "user:default/ada"]
    assert groups_of(found, "ada") == ["heart-piece"]
    found = await bench.send(NAME, "github.team", of("acme", "deleted", team={"slug": "heart-piece"}))
    assert list(found.given) == ["user:default/ada"]


@pytest.mark.parametrize("action", ["added", "removed"])
async def test_a_membership_changes_the_team_and_the_user(github: Github, action: str) -> None:
    acme = github.orgs["acme"]
    acme.member("ada")
    acme.team("core", *(["ada"] if action == "added" else []))
    bench = await connected("acme")
    event = of("acme", action, team={"slug": "core"}, member={"login": "ada"})
    found = await bench.send(NAME, "github.membership", event)
    assert sorted(found.given) == ["group:default/core", "user:default/ada"]
    expected = ["core"] if action == "added" else []
    assert groups_of(found, "ada") == expected
    assert len(found.entity("group:default/core")["spec"]["members"]) == len(expected)


async def test_an_installation_brings_its_organization(github: Github) -> None:
    github.orgs["beta"] = Org()
    for org in github.orgs.values():
        org.member("ada")
        org.team("core", "ada")
    bench = await connected("acme", "beta")
    event = {"action": "created", "installation": {"account": {"login": "beta"}}}
    found = await bench.send(NAME, "github.installation", event)
    assert sorted(found.given) == ["group:beta/core", "user:default/ada"]
    assert sorted(groups_of(found, "ada")) == ["acme/core", "beta/core"]


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        ("github.team", of("other", "created", team={"slug": "core"})),
        ("github.team", {"action": "created", "team": {"slug": "core"}}),
        ("github.team", of("acme", "added_to_repository", team={"slug": "core"})),
        ("github.organization", of("acme", "renamed")),
        ("github.installation", of("acme", "deleted")),
        ("github.membership", of("acme", "removed", team={"id": 1})),
    ],
)
async def test_events_of_no_concern_are_ignored(github: Github, topic: str, event: dict[str, Any]) -> None:
    bench = await connected("acme")
    assert (await bench.send(NAME, topic, event)).given == {}
    assert github.asked == []


async def test_an_event_that_cannot_be_one_is_refused(github: Github) -> None:
    with pytest.raises(InputError, match=r"the event has no team\.slug"):
        await (await connected("acme")).send(NAME, "github.team", of("acme", "created"))


# The configuration.


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"githubUrl": "https://github.com", "schedule": SCHEDULE}, "id' in .*it is required"),
        ({"id": "a", "schedule": SCHEDULE}, "githubUrl' in .*it is required"),
        ({"id": "a", "githubUrl": "https://github.com"}, "schedule' in .*it is required"),
        ({"id": "a", "githubUrl": "github.com", "schedule": SCHEDULE}, "githubUrl must be an http or https URL"),
        (
            {"id": "a", "githubUrl": "https://x", "schedule": SCHEDULE, "pageSizes": {"teams": 101}},
            "less than or equal",
        ),
    ],
)
def test_wrong_configuration_stops_the_start(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(Configuration({"catalog": {"providers": {"githubOrg": [entry]}}}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"githubUrl": "https://ghe.org", "orgs": ["a"]}, r"There is no GitHub config that matches host ghe\.org"),
        ({"githubUrl": "https://github.com"}, "production must name its orgs"),
    ],
)
def test_an_entry_needs_its_integration_and_its_organizations(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Discovery({"githubOrg": {"id": "production", "schedule": SCHEDULE, **settings}}, TOKEN)
