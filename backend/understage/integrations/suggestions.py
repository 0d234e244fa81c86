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
from understage.sdk.ports import ForgeApi, ForgeApis, ForgeType, Query

SIZE = 100
MOST_PAGES = 50
"""Five thousand suggestions: more than anybody picks from."""

Context = Mapping[str, str]
Item = dict[str, Any]
Suggest = Callable[[ForgeApi, Context], Awaitable[list[Item]]]


@dataclass(frozen=True)
class ForgeSuggestions:
    """Implements `scaffolder.autocomplete.AutocompleteProvider` for one kind of forge; `known` has its resources by name.

    `is_hosted`: there is one such forge; otherwise the context may name another `host` than the default one.
    """

    apis: ForgeApis
    type: ForgeType
    host: str
    known: Mapping[str, Suggest]
    is_hosted: bool = False

    async def suggest(self, resource: str, token: str, context: Context) -> list[Item]:
        """The suggestions, with the token of whoever fills in the form. Raises InputError for another resource."""
        if resource not in self.known:
            raise InputError(f"Invalid resource: {resource}")
        host = self.host if self.is_hosted else context.get("host") or self.host
        return await self.known[resource](await self.apis.get(self.type, host, token=token), context)


def create_suggestions(apis: ForgeApis) -> dict[str, ForgeSuggestions]:
    """The providers by the names that forms know them by. What a resource needs of the context is in brackets."""
    return {
        "github": ForgeSuggestions(
            apis,
            "github",
            "github.com",
            {
                "repositoriesWithOwner": _repositories_of_user,
                "branches": _branches,  # [owner, repository]
                "owners": _organizations,
            },
        ),
        "gitlab": ForgeSuggestions(
            apis,
            "gitlab",
            "gitlab.com",
            {
                "groups": _groups,
                "repositories": _projects,  # [id], of a group or of the user
            },
        ),
        "bitbucket-cloud": ForgeSuggestions(
            apis,
            "bitbucketCloud",
            "bitbucket.org",
            {
                "workspaces": _workspaces,
                "projects": _bitbucket_projects,  # [workspace]
                "repositories": _bitbucket_repositories,  # [workspace, project]
                "branches": _bitbucket_branches,  # [workspace, repository]
            },
            is_hosted=True,
        ),
    }


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
