"""Suggestions for the fields of forms: what the person who fills it in may see on a forge, by that person's own token.

One provider a forge, as the stock modules have them (Backstage scaffolder-backend-module-github 0.10, -gitlab 0.12 and
-bitbucket-cloud 0.3): resources, their context parameters, and members of what is suggested. `app.scaffolder` names them to
the endpoint. A token goes to a configured forge only (`integrations.forge_apis`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from understage.errors import ForeignError, InputError
from understage.sdk.ports import ForgeApi, ForgeApis, Query

SIZE = 100
MOST_PAGES = 50
"""Five thousand suggestions: more than anybody picks from."""

Context = Mapping[str, str]
Item = dict[str, Any]
Suggest = Callable[[ForgeApi, Context], Awaitable[list[Item]]]


@dataclass(frozen=True)
class GithubSuggestions:
    """`repositoriesWithOwner`, `branches` (owner, repository), `owners`; of `host`, github.com by default."""

    apis: ForgeApis

    async def suggest(self, resource: str, token: str, context: Context) -> list[Item]:
        """As `scaffolder.autocomplete.AutocompleteProvider` says."""
        known: dict[str, Suggest] = {
            "repositoriesWithOwner": _repositories_of_user,
            "branches": _branches,
            "owners": _organizations,
        }
        suggest = _known(known, resource)
        return await suggest(await self.apis.get("github", context.get("host") or "github.com", token=token), context)


@dataclass(frozen=True)
class GitlabSuggestions:
    """`groups`, and `repositories` of the group or user with this `id`; of `host`, gitlab.com by default."""

    apis: ForgeApis

    async def suggest(self, resource: str, token: str, context: Context) -> list[Item]:
        """As `scaffolder.autocomplete.AutocompleteProvider` says."""
        suggest = _known({"groups": _groups, "repositories": _projects}, resource)
        return await suggest(await self.apis.get("gitlab", context.get("host") or "gitlab.com", token=token), context)


@dataclass(frozen=True)
class BitbucketCloudSuggestions:
    """`workspaces`, `projects` (workspace), `repositories` (workspace, project), `branches` (workspace, repository)."""

    apis: ForgeApis

    async def suggest(self, resource: str, token: str, context: Context) -> list[Item]:
        """As `scaffolder.autocomplete.AutocompleteProvider` says."""
        known: dict[str, Suggest] = {
            "workspaces": _workspaces,
            "projects": _bitbucket_projects,
            "repositories": _bitbucket_repositories,
            "branches": _bitbucket_branches,
        }
        suggest = _known(known, resource)
        return await suggest(await self.apis.get("bitbucketCloud", "bitbucket.org", token=token), context)


def _known(known: Mapping[str, Suggest], resource: str) -> Suggest:
    if resource not in known:
        raise InputError(f"Invalid resource: {resource}")
    return known[resource]


async def _repositories_of_user(api: ForgeApi, _context: Context) -> list[Item]:
    return [{"id": row["full_name"]} for row in await _numbered(api, "/user/repos")]


async def _branches(api: ForgeApi, context: Context) -> list[Item]:
    owner, repository = context.get("owner"), context.get("repository")
    if not owner or not repository:
        raise InputError("Missing owner and/or repository context parameter")
    return [{"id": row["name"]} for row in await _numbered(api, f"/repos/{_part(owner)}/{_part(repository)}/branches")]


async def _organizations(api: ForgeApi, _context: Context) -> list[Item]:
    return [{"id": row["login"]} for row in await _numbered(api, "/user/orgs")]


async def _groups(api: ForgeApi, _context: Context) -> list[Item]:
    groups = [{"title": row["full_path"], "id": str(row["id"])} for row in await _numbered(api, "/groups")]
    user = (await api.request("GET", "/user")).body
    return [*groups, {"title": user["username"], "id": str(user["id"])}]


async def _projects(api: ForgeApi, context: Context) -> list[Item]:
    chosen = context.get("id")
    if not chosen:
        raise InputError("Missing groupId and userId context parameter")
    user = (await api.request("GET", "/user")).body
    owner = "users" if chosen == str(user["id"]) else "groups"
    rows = await _numbered(api, f"/{owner}/{_part(chosen)}/projects")
    return [{"title": row["name"].strip(), "id": row["path"]} for row in rows]


async def _workspaces(api: ForgeApi, _context: Context) -> list[Item]:
    return [{"id": row["slug"]} for row in await _linked(api, "/workspaces")]


async def _bitbucket_projects(api: ForgeApi, context: Context) -> list[Item]:
    workspace = context.get("workspace")
    if not workspace:
        raise InputError("Missing workspace context parameter")
    return [{"id": row["key"]} for row in await _linked(api, f"/workspaces/{_part(workspace)}/projects")]


async def _bitbucket_repositories(api: ForgeApi, context: Context) -> list[Item]:
    workspace, project = context.get("workspace"), context.get("project")
    if not workspace or not project:
        raise InputError("Missing workspace and/or project context parameter")
    key = project.replace("\\", "\\\\").replace('"', '\\"')
    rows = await _linked(api, f"/repositories/{_part(workspace)}", {"q": f'project.key="{key}"'})
    return [{"id": row["slug"]} for row in rows]


async def _bitbucket_branches(api: ForgeApi, context: Context) -> list[Item]:
    workspace, repository = context.get("workspace"), context.get("repository")
    if not workspace or not repository:
        raise InputError("Missing workspace and/or repository context parameter")
    path = f"/repositories/{_part(workspace)}/{_part(repository)}/refs/branches"
    return [{"id": row["name"]} for row in await _linked(api, path)]


async def _numbered(api: ForgeApi, path: str) -> list[Item]:
    """A list of GitHub or GitLab, which ends with a page that is not full."""
    rows: list[Item] = []
    for number in range(1, MOST_PAGES + 1):
        page = (await api.request("GET", path, query={"per_page": SIZE, "page": number})).body
        if not isinstance(page, list):
            raise ForeignError(f"{api.host} answered without a list to {path}")
        rows += page
        if len(page) < SIZE:
            break
    return rows


async def _linked(api: ForgeApi, path: str, query: Query | None = None) -> list[Item]:
    """A list of Bitbucket, whose pages say that there is another one."""
    rows: list[Item] = []
    for number in range(1, MOST_PAGES + 1):
        page = (await api.request("GET", path, query={**(query or {}), "pagelen": SIZE, "page": number})).body
        if not isinstance(page, dict) or not isinstance(page.get("values"), list):
            raise ForeignError(f"{api.host} answered without a list to {path}")
        rows += page["values"]
        if not page.get("next"):
            break
    return rows


def _part(text: str) -> str:
    if text in (".", "..") or "\0" in text:
        raise InputError(f"{text!r} is no name on a forge")
    return quote(text, safe="")
