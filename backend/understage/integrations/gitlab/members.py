"""People and groups of a GitLab, by its REST API and, where that would ask once a group, its GraphQL API."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from understage.config.integration_settings import GitlabIntegration
from understage.errors import ForeignError, NotFoundError
from understage.integrations.forge_api import PAGE_LIMIT, ForgeApi, segment
from understage.integrations.gitlab.entries import gitlab_base_url
from understage.integrations.gitlab.projects import Parameters, gitlab_api
from understage.sdk.ports import Http

log = structlog.get_logger(__name__)

PAGE_SIZE = 100
_BOT = re.compile(r"(?:project|group)_\w+_bot_\w+")

_DESCENDANTS = """
query descendantGroups($group: ID!, $cursor: String) {
  group(fullPath: $group) {
    list: descendantGroups(first: 100, after: $cursor) {
      nodes { id name description fullPath parent { id } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""
_MEMBERS = """
query groupMembers($group: ID!, $relations: [GroupMemberRelation!], $cursor: String) {
  group(fullPath: $group) {
    list: groupMembers(first: 100, relations: $relations, after: $cursor) {
      nodes { user { id username } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""


@dataclass(frozen=True)
class GitlabUser:
    """A user."""

    id: int
    username: str
    name: str | None = None
    email: str | None = None
    url: str = ""
    avatar_url: str | None = None
    is_active: bool = True
    saml_uid: str | None = None


@dataclass(frozen=True)
class GitlabGroup:
    """A group; `path` is its full one."""

    id: int
    path: str
    name: str | None = None
    description: str | None = None
    parent_id: int | None = None


class GitlabMembers:
    """Asks one GitLab for people and groups. Errors as `ForgeApi` has them."""

    def __init__(self, http: Http, entry: GitlabIntegration) -> None:
        self.host = entry.host
        self.base_url = gitlab_base_url(entry)
        self.is_self_managed = entry.host != "gitlab.com"
        self._api: ForgeApi = gitlab_api(http, entry)

    async def list_users(self) -> list[GitlabUser]:
        """All active people of a self-managed GitLab."""
        parameters: Parameters = {"active": "true", "without_project_bots": "true", "exclude_internal": "true"}
        return [_user(row) async for row in self._api.pages("/users", parameters, size=PAGE_SIZE)]

    async def list_group_users(self, group: str) -> list[GitlabUser]:
        """The members of a group, inherited ones included."""
        return [_user(row) async for row in self._members(group, {})]

    async def list_seats(self, group: str, *, without_seat: bool) -> list[GitlabUser]:
        """The active members of a group on gitlab.com that use a seat; `without_seat` takes all that are no bots."""
        rows = self._members(group, {"active": "true", "show_seat_info": "true"})
        if without_seat:
            return [_user(row) async for row in rows if not _BOT.fullmatch(str(row.get("username", "")))]
        return [_user(row) async for row in rows if row.get("is_using_seat")]

    async def list_groups(self) -> list[GitlabGroup]:
        """All groups that our account may see."""
        rows = self._api.pages("/groups", {"all_available": "true"}, size=PAGE_SIZE)
        return [_group(row) async for row in rows]

    async def list_groups_below(self, path: str) -> list[GitlabGroup]:
        """A group and all groups below it."""
        own = _group((await self._api.get(f"/groups/{segment(path)}")).object())
        nodes = self._nodes(_DESCENDANTS, {"group": path}, path)
        found = [
            GitlabGroup(
                _number(node["id"]),
                str(node.get("fullPath", "")),
                node.get("name"),
                node.get("description"),
                _number((node.get("parent") or {}).get("id")) or None,
            )
            async for node in nodes
            if node.get("id")
        ]
        return [*found, own]

    async def list_member_ids(self, path: str, relations: Sequence[str]) -> dict[int, str]:
        """Who is a member of a group by some relation: user names by id."""
        nodes = self._nodes(_MEMBERS, {"group": path, "relations": list(relations)}, path)
        users = [node.get("user") async for node in nodes]
        return {_number(user["id"]): str(user["username"]) for user in users if user and user.get("id")}

    async def find_group(self, group_id: int) -> GitlabGroup | None:
        """One group, or None."""
        try:
            return _group((await self._api.get(f"/groups/{group_id}")).object())
        except NotFoundError:
            return None

    async def find_user(self, user_id: int) -> GitlabUser | None:
        """One user, or None."""
        try:
            return _user((await self._api.get(f"/users/{user_id}")).object())
        except NotFoundError:
            return None

    def _members(self, group: str, parameters: Parameters) -> AsyncIterator[Mapping[str, Any]]:
        return self._api.pages(f"/groups/{segment(group)}/members/all", parameters, size=PAGE_SIZE)

    async def _nodes(self, text: str, variables: Mapping[str, Any], path: str) -> AsyncIterator[Mapping[str, Any]]:
        """The nodes of the list in a group. A group that our account may not look into has none."""
        cursor: str | None = None
        for _ in range(PAGE_LIMIT):
            body = {"query": text, "variables": {**variables, "cursor": cursor}}
            answer = (await self._api.ask("POST", f"{self.base_url}/api/graphql", body)).object()
            if answer.get("errors"):
                raise ForeignError(f"{self.host} answered: {str(answer['errors'])[:500]}")
            found = ((answer.get("data") or {}).get("group") or {}).get("list")
            if not isinstance(found, dict) or not isinstance(found.get("nodes"), list):
                log.warning("a group may not be looked into: check the token's rights", host=self.host, group=path)
                return
            for node in found["nodes"]:
                if isinstance(node, dict):
                    yield node
            page = found.get("pageInfo") or {}
            if not page.get("hasNextPage"):
                return
            if not page.get("endCursor") or page["endCursor"] == cursor:
                break
            cursor = page["endCursor"]
        raise ForeignError(f"{self.host} gives lists of {path} that do not end: try again later")


def _number(text: Any) -> int:
    """The number at the end of `gid://gitlab/Group/7`."""
    digits = str(text or "").rpartition("/")[2]
    return int(digits) if digits.isdecimal() else 0


def _group(row: Mapping[str, Any]) -> GitlabGroup:
    return GitlabGroup(
        int(row.get("id", 0)),
        str(row.get("full_path", "")),
        row.get("name"),
        row.get("description"),
        row.get("parent_id"),
    )


def _user(row: Mapping[str, Any]) -> GitlabUser:
    return GitlabUser(
        id=int(row.get("id", 0)),
        username=str(row.get("username", "")),
        name=row.get("name"),
        email=row.get("email"),
        url=str(row.get("web_url", "")),
        avatar_url=row.get("avatar_url"),
        is_active=row.get("state") == "active",
        saml_uid=(row.get("group_saml_identity") or {}).get("extern_uid"),
    )
