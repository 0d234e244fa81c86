"""People and teams of a GitHub organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.errors import NotFoundError
from understage.integrations.github.graphql import GithubGraphql

LOGINS_AT_ONCE = 100

_USER = """
    id
    login
    name
    bio
    avatarUrl
    email @include(if: $email)
    organizationVerifiedDomainEmails(login: $org)
"""
_MEMBERS = """
query users($org: String!, $email: Boolean!, $cursor: String, $organizationMembersPageSize: Int!) {
  organization(login: $org) {
    membersWithRole(first: $organizationMembersPageSize, after: $cursor) {
      pageInfo { hasNextPage endCursor }
      nodes { %(user)s %(suspended)s }
    }
  }
}
"""
_ONE_USER = """
query user($login: String!, $org: String!, $email: Boolean!) {
  user(login: $login) { %(user)s organizations(first: 100) { nodes { login } } }
}
"""
_TEAM = """
    slug
    combinedSlug
    name
    description
    avatarUrl
    editTeamUrl
    parentTeam { slug }
    members(first: $membersPageSize, membership: IMMEDIATE) { pageInfo { hasNextPage } nodes { login } }
"""
_TEAMS = """
query teams($org: String!, $cursor: String, $userLogins: [String!], $teamsPageSize: Int!, $membersPageSize: Int!) {
  organization(login: $org) {
    teams(first: $teamsPageSize, after: $cursor, userLogins: $userLogins) {
      pageInfo { hasNextPage endCursor }
      nodes { %(team)s }
    }
  }
}
"""
_ONE_TEAM = """
query team($org: String!, $teamSlug: String!, $membersPageSize: Int!) {
  organization(login: $org) { team(slug: $teamSlug) { %(team)s } }
}
"""
_TEAM_MEMBERS = """
query members($org: String!, $teamSlug: String!, $cursor: String, $membersPageSize: Int!) {
  organization(login: $org) {
    team(slug: $teamSlug) {
      members(first: $membersPageSize, after: $cursor, membership: IMMEDIATE) {
        pageInfo { hasNextPage endCursor }
        nodes { login }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class GithubUser:
    """A member; `id` is the node id. `organizations` is known only of a user who was asked for alone."""

    login: str
    id: str | None = None
    name: str | None = None
    bio: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    verified_emails: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True)
class GithubTeam:
    """A team, its immediate members by login."""

    slug: str
    combined_slug: str
    name: str | None = None
    description: str | None = None
    avatar_url: str | None = None
    edit_url: str | None = None
    parent: str | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberPages:
    """How much is asked for at once."""

    teams: int
    team_members: int
    organization_members: int


async def list_members(
    github: GithubGraphql, org: str, pages: MemberPages, *, without_suspended: bool
) -> list[GithubUser]:
    """All members of an organization; who is suspended is known of GitHub Enterprise only."""
    text = _MEMBERS % {"user": _USER, "suspended": "suspendedAt" if without_suspended else ""}
    variables = {
        "org": org,
        "email": await _shows_email(github, org),
        "organizationMembersPageSize": pages.organization_members,
    }
    nodes = github.nodes(org, text, variables, lambda data: (data.get("organization") or {}).get("membersWithRole"))
    return [_user(node) async for node in nodes if not node.get("suspendedAt")]


async def find_user(github: GithubGraphql, org: str, login: str) -> GithubUser | None:
    """A user, with the organizations that the credentials of `org` may see; None when there is none."""
    variables = {"login": login, "org": org, "email": await _shows_email(github, org)}
    try:
        data = await github.query(org, _ONE_USER % {"user": _USER}, variables)
    except NotFoundError:
        return None
    found = data.get("user")
    return _user(found) if isinstance(found, dict) else None


async def list_teams(
    github: GithubGraphql, org: str, pages: MemberPages, *, of_users: Sequence[str] | None = None
) -> list[GithubTeam]:
    """All teams of an organization, or those that have one of some users as a member."""
    if of_users is None:
        return await _list_teams(github, org, pages, None)
    found: dict[str, GithubTeam] = {}
    for start in range(0, len(of_users), LOGINS_AT_ONCE):
        some = await _list_teams(github, org, pages, list(of_users[start : start + LOGINS_AT_ONCE]))
        found |= {team.slug: team for team in some}
    return list(found.values())


async def find_team(github: GithubGraphql, org: str, slug: str, pages: MemberPages) -> GithubTeam | None:
    """One team, or None."""
    variables = {"org": org, "teamSlug": slug, "membersPageSize": pages.team_members}
    data = await github.query(org, _ONE_TEAM % {"team": _TEAM}, variables)
    found = (data.get("organization") or {}).get("team")
    return await _whole_team(github, org, found, pages) if isinstance(found, dict) else None


async def _list_teams(
    github: GithubGraphql, org: str, pages: MemberPages, logins: list[str] | None
) -> list[GithubTeam]:
    variables = {
        "org": org,
        "userLogins": logins,
        "teamsPageSize": pages.teams,
        "membersPageSize": pages.team_members,
    }
    nodes = github.nodes(
        org, _TEAMS % {"team": _TEAM}, variables, lambda data: (data.get("organization") or {}).get("teams")
    )
    return [await _whole_team(github, org, node, pages) async for node in nodes]


async def _whole_team(github: GithubGraphql, org: str, node: Mapping[str, Any], pages: MemberPages) -> GithubTeam:
    """The team with all of its members: those beyond the first page are asked for."""
    members = node.get("members") or {}
    nodes = [member for member in members.get("nodes") or [] if isinstance(member, dict)]
    if (members.get("pageInfo") or {}).get("hasNextPage"):
        variables = {"org": org, "teamSlug": node.get("slug"), "membersPageSize": pages.team_members}
        found = github.nodes(
            org,
            _TEAM_MEMBERS,
            variables,
            lambda data: ((data.get("organization") or {}).get("team") or {}).get("members"),
        )
        nodes = [dict(member) async for member in found]
    slug = str(node.get("slug", ""))
    return GithubTeam(
        slug=slug,
        combined_slug=str(node.get("combinedSlug") or f"{org}/{slug}"),
        name=node.get("name"),
        description=node.get("description"),
        avatar_url=node.get("avatarUrl"),
        edit_url=node.get("editTeamUrl"),
        parent=(node.get("parentTeam") or {}).get("slug"),
        members=tuple(str(member["login"]) for member in nodes if member.get("login")),
    )


async def _shows_email(github: GithubGraphql, org: str) -> bool:
    """An app may not ask for e-mail addresses."""
    credential = await github.credential(org)
    return credential is not None and credential.type == "token"


def _user(node: Mapping[str, Any]) -> GithubUser:
    organizations = (node.get("organizations") or {}).get("nodes") or []
    return GithubUser(
        login=str(node.get("login", "")),
        id=node.get("id"),
        name=node.get("name"),
        bio=node.get("bio"),
        email=node.get("email"),
        avatar_url=node.get("avatarUrl"),
        verified_emails=tuple(str(email) for email in node.get("organizationVerifiedDomainEmails") or []),
        organizations=tuple(str(one["login"]) for one in organizations if one and one.get("login")),
    )
