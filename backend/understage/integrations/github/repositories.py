"""The repositories of a GitHub organization or user, with what discovery filters by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understage.integrations.github.graphql import GithubGraphql

_FIELDS = """
    name
    url
    isArchived
    isFork
    visibility
    defaultBranchRef { name }
    repositoryTopics(first: 100) { nodes { topic { name } } }
    catalogInfoFile: object(expression: $catalogPathRef) { __typename ... on Blob { id text } }
"""
_LIST = """
query repositories($org: String!, $catalogPathRef: String!, $cursor: String, $repositoriesPageSize: Int!) {
  repositoryOwner(login: $org) {
    login
    repositories(first: $repositoriesPageSize, after: $cursor%(archived)s) {
      nodes { %(fields)s }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
_ONE = """
query repository($org: String!, $repoName: String!, $catalogPathRef: String!) {
  repositoryOwner(login: $org) { repository(name: $repoName) { %(fields)s } }
}
"""


@dataclass(frozen=True)
class GithubRepository:
    """A repository. `has_file` says whether the catalog file is there and not empty."""

    name: str
    url: str
    is_archived: bool = False
    is_fork: bool = False
    topics: tuple[str, ...] = ()
    default_branch: str | None = None
    visibility: str = ""
    has_file: bool = True


async def list_repositories(
    github: GithubGraphql, owner: str, path: str, *, branch: str | None, with_archived: bool, page_size: int
) -> list[GithubRepository]:
    """All repositories of an owner; `path` is looked for on `branch` or the default branch."""
    text = _LIST % {"fields": _FIELDS, "archived": "" if with_archived else ", isArchived: false"}
    variables = {"org": owner, "catalogPathRef": _expression(branch, path), "repositoriesPageSize": page_size}
    nodes = github.nodes(owner, text, variables, lambda data: (data.get("repositoryOwner") or {}).get("repositories"))
    return [_repository(node) async for node in nodes]


async def find_repository(
    github: GithubGraphql, owner: str, name: str, path: str, *, branch: str | None
) -> GithubRepository | None:
    """One repository, or None."""
    variables = {"org": owner, "repoName": name, "catalogPathRef": _expression(branch, path)}
    data = await github.query(owner, _ONE % {"fields": _FIELDS}, variables)
    found = (data.get("repositoryOwner") or {}).get("repository")
    return _repository(found) if isinstance(found, dict) else None


def _expression(branch: str | None, path: str) -> str:
    return f"{branch or 'HEAD'}:{path.removeprefix('/')}"


def _repository(node: Mapping[str, Any]) -> GithubRepository:
    topics = (node.get("repositoryTopics") or {}).get("nodes") or []
    file = node.get("catalogInfoFile") or {}
    return GithubRepository(
        name=str(node.get("name", "")),
        url=str(node.get("url", "")),
        is_archived=bool(node.get("isArchived")),
        is_fork=bool(node.get("isFork")),
        topics=tuple(str(topic["topic"]["name"]) for topic in topics if topic and topic.get("topic")),
        default_branch=(node.get("defaultBranchRef") or {}).get("name"),
        visibility=str(node.get("visibility", "")),
        has_file=file.get("__typename") == "Blob" and file.get("text") != "",
    )
