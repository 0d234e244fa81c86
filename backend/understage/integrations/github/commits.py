"""What a commit on GitHub did to which files, renames included: pushes do not tell. Called by the catalog's event bridge."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from understage.config.integration_settings import GithubIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.github.credentials import GithubCredentials, entry_of, github_api_url
from understage.platform.http import HttpClient

PAGES = 10
PER_PAGE = 300
ANSWER_LIMIT = 32 * 1024 * 1024


class GithubCommits:
    """Asks the hosts of `integrations.github`."""

    def __init__(self, http: HttpClient, entries: Sequence[GithubIntegration]) -> None:
        self._http = http
        self._entries = entries
        self._credentials: dict[str, GithubCredentials] = {}

    async def __call__(self, repository_url: str, commit_id: str) -> list[tuple[str, str, str | None]]:
        """Status, path and former path of a commit's files, up to 3 000.

        Raises InputError for a repository on a host that is not configured, ForeignError when GitHub does not tell.
        """
        parts = urlsplit(repository_url)
        owner, _, name = parts.path.strip("/").partition("/")
        if not owner or not name or "/" in name:
            raise InputError(f"{repository_url} is no repository of GitHub")
        entry = entry_of(self._entries, parts.netloc.lower())
        credentials = self._credentials.setdefault(entry.host, GithubCredentials(self._http, entry))
        credential = await credentials.find(owner, name)
        headers = {"Accept": "application/vnd.github+json"}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential.token}"
        path = "/".join(quote(part, safe="") for part in (owner, name, "commits", commit_id))
        files: list[tuple[str, str, str | None]] = []
        for page in range(1, PAGES + 1):
            url = f"{github_api_url(entry)}/repos/{path}?per_page={PER_PAGE}&page={page}"
            answer = await self._http.request("GET", url, headers=headers, max_bytes=ANSWER_LIMIT)
            if answer.status != 200:
                raise ForeignError(f"{entry.host} answered {answer.status} about a commit of {owner}/{name}")
            files += _files(answer.json(), entry.host)
            if 'rel="next"' not in answer.headers.get("link", ""):
                break
        return files


def _files(body: Any, host: str) -> list[tuple[str, str, str | None]]:
    rows = body.get("files") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ForeignError(f"{host} answered with a commit without files")
    found = []
    for row in rows:
        match row:
            case {"filename": str(path), "status": str(status)}:
                before = row.get("previous_filename")
                found.append((status, path, before if isinstance(before, str) else None))
    return found
