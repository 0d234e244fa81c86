"""The repositories of a Gitea organization that hold a file, for discovery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from understage.config.integration_settings import GiteaIntegration
from understage.errors import InputError
from understage.integrations.forge_api import ForgeApi, segment
from understage.integrations.gitea.credentials import authorization
from understage.sdk.ports import Http

PAGE_SIZE = 50


@dataclass(frozen=True)
class GiteaRepository:
    """A repository. `is_empty` has no commit yet."""

    owner: str
    name: str
    url: str
    is_empty: bool


def gitea_api(http: Http, entries: Sequence[GiteaIntegration], host: str) -> ForgeApi:
    """The API of the entry of a host. Raises InputError without one."""
    entry = next((entry for entry in entries if entry.host.lower() == host.lower()), None)
    if entry is None:
        raise InputError(f"No Gitea integration found that matches host {host}; add one under integrations.gitea")
    known = authorization(entry.username, entry.password)
    headers = {"Authorization": known} if known else {}

    async def sign_in() -> Mapping[str, str]:
        return headers

    base = (entry.base_url or f"https://{entry.host}").rstrip("/")
    return ForgeApi(http, entry.host, f"{base}/api/v1", "integrations.gitea", sign_in)


async def list_repositories(api: ForgeApi, organization: str) -> list[GiteaRepository]:
    """All repositories of an organization that our account may see."""
    rows = api.pages(f"/orgs/{segment(organization)}/repos", {}, size=PAGE_SIZE, size_name="limit")
    return [
        GiteaRepository(organization, str(row.get("name", "")), str(row.get("html_url", "")), bool(row.get("empty")))
        async for row in rows
    ]


async def with_file(
    api: ForgeApi, repositories: Sequence[GiteaRepository], path: str, branch: str
) -> list[GiteaRepository]:
    """Those that hold the file on the branch, in their order."""
    asked = [repository for repository in repositories if not repository.is_empty]
    paths = [f"/repos/{segment(one.owner)}/{segment(one.name)}/contents/{quote(path)}" for one in asked]
    found = await api.holding(paths, [{"ref": branch}] * len(asked))
    return [repository for repository, is_there in zip(asked, found, strict=True) if is_there]
