"""Finds the catalog files of a GitHub repository by code search, as Backstage's module for GitHub does.

Registered as the analyzer `github`. Code search wants a token or an app; without either GitHub's repositories are left to the
proposal.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from understage.catalog.repository import repository_of
from understage.config.integration_settings import GithubIntegration, IntegrationSettings
from understage.errors import ForeignError
from understage.integrations.github.credentials import GithubCredentials, github_api_url
from understage.sdk.analyzer import AnalyzerSetup, ExistingFile, Trial
from understage.sdk.ports import HttpResponse

FILE_NAME = "catalog-info.yaml"
MOST_FILES = 100
CONCURRENCY = 5


class GithubLocationAnalyzer:
    """Implements `understage.sdk.LocationAnalyzer` for the hosts of `integrations.github` that have credentials."""

    def __init__(self, setup: AnalyzerSetup) -> None:
        self._http = setup.http
        self._integrations = setup.config.get("integrations") or {}
        entries = IntegrationSettings.model_validate(self._integrations).github
        self._hosts = {
            entry.host.lower(): (entry, GithubCredentials(setup.http, entry))
            for entry in entries
            if entry.token or entry.apps
        }

    def supports(self, url: str) -> bool:
        """Whether the host is one that can be searched, and the URL names a repository on it."""
        repository = repository_of(url, self._integrations)
        return urlsplit(url).netloc.lower() in self._hosts and repository is not None and repository.owner != ""

    async def analyze(self, url: str, trial: Trial) -> Sequence[ExistingFile]:
        """Search, and try to register each file that was found on the default branch."""
        entry, credentials = self._hosts[urlsplit(url).netloc.lower()]
        repository = repository_of(url, self._integrations)
        assert repository is not None
        credential = await credentials.find(repository.owner, repository.name)
        headers = {"Accept": "application/vnd.github.v3+json"}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential.token}"
        query = urlencode({"q": f"filename:{FILE_NAME} extension:yaml repo:{repository.slug}"})
        found = await self._ask(entry, f"/search/code?{query}", headers, "Couldn't search repository for metadata file")
        paths = _paths(found)
        if not paths:
            return []
        path = f"/repos/{quote(repository.owner)}/{quote(repository.name)}"
        branch = (await self._ask(entry, path, headers, "Couldn't fetch repo data")).get("default_branch")
        if not isinstance(branch, str):
            raise ForeignError(f"Couldn't fetch repo data, {entry.host} names no default branch")
        base = f"{url.partition('?')[0].partition('#')[0].rstrip('/')}/blob/{branch}"
        slots = asyncio.Semaphore(CONCURRENCY)

        async def register(path: str) -> Sequence[ExistingFile]:
            async with slots:
                return await trial.register(f"{base}/{quote(path)}")

        return [file for files in await asyncio.gather(*map(register, paths)) for file in files]

    async def _ask(self, entry: GithubIntegration, path: str, headers: dict[str, str], failure: str) -> dict[str, Any]:
        try:
            answer = await self._http.request("GET", f"{github_api_url(entry)}{path}", headers=headers)
        except ForeignError as error:
            raise ForeignError(f"{failure}, {error}") from error
        return _object(answer, f"{failure}, {entry.host} answered {answer.status}")


def _object(answer: HttpResponse, failure: str) -> dict[str, Any]:
    try:
        content = orjson.loads(answer.body) if answer.status == 200 else None
    except orjson.JSONDecodeError as error:
        raise ForeignError(f"{failure} with a body that is not JSON") from error
    if not isinstance(content, dict):
        raise ForeignError(failure)
    return content


def _paths(found: dict[str, Any]) -> list[str]:
    items = found.get("items")
    paths = [item.get("path") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [path for path in paths if isinstance(path, str)][:MOST_FILES]
