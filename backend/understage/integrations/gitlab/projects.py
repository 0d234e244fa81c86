"""The projects and groups of a GitLab, for discovery, by its REST API (v4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.config.integration_settings import GitlabIntegration
from understage.errors import NotFoundError
from understage.integrations.forge_api import ForgeApi, segment
from understage.integrations.gitlab.entries import gitlab_base_url
from understage.sdk.ports import Http

PAGE_SIZE = 50

Parameters = dict[str, str | int]


@dataclass(frozen=True)
class GitlabProject:
    """A project; `path` is that of its groups and its own."""

    id: int
    path: str
    url: str
    default_branch: str | None
    is_fork: bool
    is_archived: bool
    topics: tuple[str, ...]


def gitlab_api(http: Http, entry: GitlabIntegration) -> ForgeApi:
    """The API of an entry."""
    headers = {"Authorization": f"Bearer {entry.token}"} if entry.token else {}

    async def sign_in() -> Mapping[str, str]:
        return headers

    url = (entry.api_base_url or f"{gitlab_base_url(entry)}/api/v4").rstrip("/")
    return ForgeApi(http, entry.host, url, "integrations.gitlab", sign_in)


async def list_projects(
    api: ForgeApi, group: str, *, with_archived: bool, is_member: bool, topics: Sequence[str], with_forks: bool
) -> list[GitlabProject]:
    """The projects below a group, or all that our account may see."""
    parameters: Parameters = {}
    if not with_archived:
        parameters["archived"] = "false"
    if is_member:
        parameters["membership"] = "true"
    if topics:
        parameters["topics"] = ",".join(topics)
    if with_forks and with_archived:
        # A short answer tells neither where a fork comes from nor whether a project is archived.
        parameters["simple"] = "true"
    path = "/projects"
    if group:
        path = f"/groups/{segment(group)}/projects"
        parameters["include_subgroups"] = "true"
    return [_project(row) async for row in api.pages(path, parameters, size=PAGE_SIZE)]


async def find_project(api: ForgeApi, project_id: int) -> GitlabProject | None:
    """One project, or None."""
    try:
        return _project((await api.get(f"/projects/{project_id}")).object())
    except NotFoundError:
        return None


async def list_group_paths(api: ForgeApi) -> list[str]:
    """The full paths of all groups that our account may see."""
    return [str(row.get("full_path", "")) async for row in api.pages("/groups", {}, size=PAGE_SIZE)]


async def search_files(api: ForgeApi, group: str, name: str) -> list[tuple[int, str, str]]:
    """Project, ref and path of the files of a name below a group."""
    parameters: Parameters = {"scope": "blobs", "search": f"filename:{name}"}
    rows = api.pages(f"/groups/{segment(group)}/search", parameters, size=PAGE_SIZE)
    return [(int(row["project_id"]), str(row["ref"]), str(row["path"])) async for row in rows]


async def with_file(
    api: ForgeApi, projects: Sequence[GitlabProject], branches: Sequence[str], path: str
) -> list[GitlabProject]:
    """Those that hold the file, each on the branch beside it, in their order."""
    paths = [f"/projects/{project.id}/repository/files/{segment(path)}" for project in projects]
    found = await api.holding(paths, [{"ref": branch} for branch in branches], method="HEAD")
    return [project for project, is_there in zip(projects, found, strict=True) if is_there]


def _project(row: Mapping[str, Any]) -> GitlabProject:
    topics = row.get("topics") or row.get("tag_list") or []
    return GitlabProject(
        id=int(row.get("id", 0)),
        path=str(row.get("path_with_namespace", "")),
        url=str(row.get("web_url", "")),
        default_branch=row.get("default_branch"),
        is_fork="forked_from_project" in row,
        is_archived=bool(row.get("archived")),
        topics=tuple(str(topic) for topic in topics),
    )
