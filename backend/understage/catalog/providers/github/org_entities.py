"""User and Group entities of GitHub organizations. Pure; called by `organizations`. Names and annotations as in Backstage."""

from collections.abc import Iterable, Mapping
from typing import Any

from understage.integrations.github.members import GithubTeam, GithubUser
from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Entity
from understage.model.ref import EntityRef

TEAM_SLUG = "github.com/team-slug"
USER_LOGIN = "github.com/user-login"
USER_ID = "github.com/user-id"
EDIT_URL = "backstage.io/edit-url"


def user_entity(user: GithubUser, host: str, *, member_of: Iterable[str], verified_email: bool) -> Entity:
    """The User; `member_of` are references without kind."""
    email = (user.verified_emails[0] if user.verified_emails else user.email) if verified_email else user.email
    profile = {"displayName": user.name, "email": email, "picture": user.avatar_url}
    annotations = {USER_LOGIN: user.login, **({USER_ID: user.id} if user.id else {})}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": user.login,
            **({"description": user.bio} if user.bio else {}),
            "annotations": _located(f"https://{host}/{user.login}", annotations),
        },
        "spec": {"profile": _known(profile), "memberOf": list(member_of)},
    }


def group_entities(org: str, teams: Iterable[GithubTeam], host: str, namespace: str | None) -> list[Entity]:
    """The Groups of an organization, each with its children; in a namespace of their own they name users in full."""
    known = list(teams)
    slugs = {team.slug for team in known}
    children: dict[str, list[str]] = {slug: [] for slug in slugs}
    for team in known:
        if team.parent in slugs:
            children[team.parent].append(team.slug)
    return [_group_entity(org, team, host, namespace, children[team.slug]) for team in known]


def _group_entity(org: str, team: GithubTeam, host: str, namespace: str | None, children: list[str]) -> Entity:
    annotations = {TEAM_SLUG: team.combined_slug, **({EDIT_URL: team.edit_url} if team.edit_url else {})}
    members = [login if namespace is None else f"default/{login}" for login in team.members]
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {
            "name": team.slug,
            **({} if namespace is None else {"namespace": namespace}),
            **({"description": team.description} if team.description else {}),
            "annotations": _located(f"https://{host}/orgs/{org}/teams/{team.slug}", annotations),
        },
        "spec": {
            "type": "team",
            "profile": _known({"displayName": team.name, "picture": team.avatar_url}),
            "children": children,
            **({"parent": team.parent} if team.parent else {}),
            "members": members,
        },
    }


def memberships(org_teams: Iterable[tuple[str | None, Iterable[GithubTeam]]]) -> dict[str, list[str]]:
    """For each login (in lower case) the groups it is an immediate member of, of teams by namespace."""
    found: dict[str, list[str]] = {}
    for namespace, teams in org_teams:
        for team in teams:
            for login in team.members:
                found.setdefault(login.lower(), []).append(group_name(namespace, team.slug))
    return {login: list(dict.fromkeys(groups)) for login, groups in found.items()}


def group_name(namespace: str | None, slug: str) -> str:
    """How `memberOf` names a group."""
    return slug if namespace is None else f"{namespace}/{slug}"


def user_ref(login: str) -> str:
    """The reference of a user's entity."""
    return str(EntityRef("user", "default", login)).lower()


def group_ref(namespace: str | None, slug: str) -> str:
    """The reference of a team's entity."""
    return str(EntityRef("group", namespace or "default", slug)).lower()


def _located(url: str, annotations: Mapping[str, str]) -> dict[str, str]:
    return {ANNOTATION_LOCATION: f"url:{url}", ANNOTATION_ORIGIN_LOCATION: f"url:{url}", **annotations}


def _known(profile: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in profile.items() if value}
