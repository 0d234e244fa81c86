"""Finding files in the repositories of a Bitbucket Cloud workspace, by its code search."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.config.integration_settings import BitbucketCloudIntegration
from understage.errors import ForeignError
from understage.integrations.bitbucket.cloud_credentials import BitbucketCloudCredentials
from understage.integrations.bitbucket.cloud_source import API, HOST
from understage.integrations.forge_api import PAGE_LIMIT, ForgeApi, segment
from understage.sdk.ports import Http

# What the answer holds beside its usual members, and what it may leave out.
FIELDS = ",".join(
    (
        "-values.content_matches",
        "+values.file.commit.repository.mainbranch.name",
        "+values.file.commit.repository.project.key",
        "+values.file.commit.repository.slug",
        "-values.*.links",
        "-values.*.*.links",
        "-values.*.*.*.links",
        "+values.file.commit.repository.links.html.href",
    )
)


@dataclass(frozen=True)
class FoundFile:
    """A file that the search found, and its repository."""

    path: str
    repository_url: str
    slug: str
    project_key: str
    main_branch: str | None


def bitbucket_cloud_api(http: Http, entries: Sequence[BitbucketCloudIntegration]) -> ForgeApi:
    """The API, signed in by the first entry, if there is one."""
    credentials = BitbucketCloudCredentials(http, entries[0] if entries else BitbucketCloudIntegration())
    return ForgeApi(http, HOST, API, "integrations.bitbucketCloud", credentials.sign_in)


async def list_projects(api: ForgeApi, workspace: str, page_size: int) -> list[str]:
    """The keys of all projects of a workspace."""
    rows = _values(api, f"/workspaces/{segment(workspace)}/projects", {"pagelen": page_size})
    return [str(row.get("key", "")) async for row in rows]


async def search_files(
    api: ForgeApi, workspace: str, path: str, page_size: int, *, project: str | None = None, slug: str | None = None
) -> list[FoundFile]:
    """The files of a path, in one project or one repository: the search ends after some pages of a whole workspace."""
    query = f'"{path.rpartition("/")[2]}" path:{path}'
    query += f" repo:{slug}" if slug else ""
    query += f" project:{project}" if project else ""
    parameters: dict[str, str | int] = {"search_query": query, "fields": FIELDS, "pagelen": page_size}
    rows = _values(api, f"/workspaces/{segment(workspace)}/search/code", parameters)
    return [_found(row) async for row in rows if row.get("path_matches")]


async def _values(api: ForgeApi, path: str, parameters: Mapping[str, str | int]) -> AsyncIterator[Mapping[str, Any]]:
    """All rows of a list, page by page."""
    for number in range(1, PAGE_LIMIT + 1):
        body = (await api.get(path, {**parameters, "page": number})).object()
        values = body.get("values")
        if not isinstance(values, list):
            raise ForeignError(f"{api.host} answered {path} without a list")
        for row in values:
            if isinstance(row, dict):
                yield row
        if not body.get("next"):
            return
    raise ForeignError(f"{api.host} has more than {PAGE_LIMIT} pages of {path}: choose larger pages")


def _found(row: Mapping[str, Any]) -> FoundFile:
    try:
        file = row["file"]
        repository = file["commit"]["repository"]
        return FoundFile(
            path=str(file["path"]),
            repository_url=str(repository["links"]["html"]["href"]),
            slug=str(repository["slug"]),
            project_key=str((repository.get("project") or {}).get("key", "")),
            main_branch=(repository.get("mainbranch") or {}).get("name"),
        )
    except (KeyError, TypeError) as error:
        raise ForeignError(f"{HOST} found a file that it says too little about: {error}") from error
