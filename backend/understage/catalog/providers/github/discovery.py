"""Catalog files in the repositories of GitHub organizations: a full round by schedule, deltas by events.

One Location entity a repository, at the configured path; what is there is read by the road as of any location.
Names, filters and defaults as in Backstage catalog-backend-module-github.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from understage.catalog.providers.discovery import (
    changed_files,
    integrations_of,
    location_of,
    location_refs,
    schedule_of,
)
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.catalog.scm.event import require_text
from understage.config.provider_settings import GithubProvider, anchored, read_providers
from understage.errors import InputError
from understage.integrations.github.credentials import entry_of
from understage.integrations.github.graphql import GithubGraphql
from understage.integrations.github.repositories import GithubRepository, find_repository, list_repositories
from understage.model.members import member_at
from understage.sdk.glob import is_glob
from understage.sdk.provider import ProviderSetup
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)


def create_providers(setup: ProviderSetup) -> list["GithubEntityProvider"]:
    """One for each entry of `catalog.providers.github`. Raises InputError for a host that no integration knows."""
    entries = integrations_of(setup.config).github
    providers = []
    for name, settings in read_providers(setup.config).github.items():
        entry = entry_of(entries, settings.host)
        if settings.app is not None and all(app.app_id != settings.app for app in entry.apps):
            raise InputError(
                f"catalog.providers.github.{name}: there is no app {settings.app} under integrations.github for {entry.host}"
            )
        providers.append(GithubEntityProvider(name, settings, GithubGraphql(setup.http, entry), setup.scheduler))
    return providers


@dataclass(frozen=True)
class RepositoryFilter:
    """Which repositories count: `filters` of the configuration."""

    settings: GithubProvider

    def accepts(self, repository: GithubRepository) -> bool:
        """Whether the repository counts. One without a default branch has nothing to read."""
        filters = self.settings.filters
        if repository.default_branch is None or (repository.is_archived and not filters.allow_archived):
            return False
        if filters.repository and not anchored(filters.repository).search(repository.name):
            return False
        if repository.is_fork and not filters.allow_forks:
            return False
        if filters.visibility and repository.visibility.lower() not in {name.lower() for name in filters.visibility}:
            return False
        topics = set(repository.topics)
        if topics & set(filters.topic.exclude):
            return False
        return not filters.topic.include or bool(topics & set(filters.topic.include))


class GithubEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.github`. Implements `EntityProvider` and `EventSubscriber`."""

    topics = ("github.push", "github.repository")

    def __init__(self, id: str, settings: GithubProvider, github: GithubGraphql, scheduler: Scheduler) -> None:
        super().__init__(f"github-provider:{id}", schedule_of(settings.schedule), scheduler)
        self._settings = settings
        self._github = github
        self._filter = RepositoryFilter(settings)
        self._path = settings.catalog_path.removeprefix("/")

    async def refresh(self) -> None:
        """Read all repositories and make their locations all that there is. A failure leaves what was there."""
        repositories: list[GithubRepository] = []
        for owner in await self._owners():
            repositories += await list_repositories(
                self._github,
                owner,
                self._path,
                branch=self._settings.filters.branch,
                with_archived=self._settings.filters.allow_archived,
                page_size=self._settings.page_sizes.repositories,
            )
        needs_file = self._settings.validate_locations_exist
        found = [one for one in repositories if self._filter.accepts(one) and (one.has_file or not needs_file)]
        await self._connected().replace_all([location_of(self._target(one), self.name) for one in found])
        log.info("repositories were read", provider=self.name, repositories=len(repositories), matching=len(found))

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on a push, or on a repository that was archived, deleted, renamed, moved or edited."""
        owner = member_at(payload, "organization", "login")
        if not isinstance(owner, str) or owner.lower() not in {name.lower() for name in await self._owners()}:
            return
        repository = _repository_of(payload)
        if topic == "github.push":
            await self._on_push(payload, repository)
        else:
            await self._on_repository(payload, repository, owner)

    async def _on_push(self, payload: Mapping[str, Any], repository: GithubRepository) -> None:
        branch = self._branch(repository)
        if payload.get("ref") != f"refs/heads/{branch}" or not self._filter.accepts(repository):
            return
        changed = changed_files(payload.get("commits"), self._path)
        if not changed:
            return
        head = f"{repository.url}/{{}}/{branch}/"
        refreshed = [path for path, change in changed.items() if change == "modified"]
        if is_glob(self._path):
            # One location covers all the files: it is read again, whatever happened to them.
            await self._connected().apply_delta([location_of(self._target(repository), self.name)])
            refreshed = list(changed)
        else:
            added = [path for path, change in changed.items() if change == "added"]
            removed = [path for path, change in changed.items() if change == "removed"]
            await self._change(
                [head.format("blob") + path for path in added], [head.format("blob") + path for path in removed]
            )
        if refreshed:
            keys = [f"url:{head.format(kind)}{path}" for kind in ("tree", "blob") for path in (*refreshed, self._path)]
            await self._connected().refresh(list(dict.fromkeys(keys)))

    async def _on_repository(self, payload: Mapping[str, Any], repository: GithubRepository, owner: str) -> None:
        action = payload.get("action")
        target = self._target(repository)
        if action == "deleted" or (action in ("archived", "edited") and not self._filter.accepts(repository)):
            await self._change([], [target])
        elif action == "renamed":
            name = require_text(payload, "changes", "repository", "name", "from")
            old = replace(repository, name=name, url=f"{repository.url.rpartition('/')[0]}/{name}")
            await self._change([target] if await self._is_wanted(repository, owner) else [], [self._target(old)])
        elif action in ("transferred", "unarchived") and await self._is_wanted(repository, owner):
            await self._change([target], [])

    async def _is_wanted(self, repository: GithubRepository, owner: str) -> bool:
        if not self._filter.accepts(repository):
            return False
        if not self._settings.validate_locations_exist:
            return True
        branch = self._settings.filters.branch
        found = await find_repository(self._github, owner, repository.name, self._path, branch=branch)
        return found is not None and found.has_file

    async def _change(self, added: list[str], removed: list[str]) -> None:
        if added or removed:
            locations = [location_of(target, self.name) for target in added]
            await self._connected().apply_delta(locations, location_refs(removed))

    async def _owners(self) -> list[str]:
        """The configured organization, or those that have installed the configured app."""
        if self._settings.organization is not None:
            return [self._settings.organization]
        installations = await self._github.credentials.list_installations(self._settings.app)
        return [installation.owner for installation in installations if not installation.is_suspended]

    def _target(self, repository: GithubRepository) -> str:
        return f"{repository.url}/blob/{self._branch(repository)}/{self._path}"

    def _branch(self, repository: GithubRepository) -> str:
        return self._settings.filters.branch or repository.default_branch or "-"


def _repository_of(payload: Mapping[str, Any]) -> GithubRepository:
    topics = member_at(payload, "repository", "topics")
    return GithubRepository(
        name=require_text(payload, "repository", "name"),
        url=require_text(payload, "repository", "html_url"),
        is_archived=bool(member_at(payload, "repository", "archived")),
        is_fork=bool(member_at(payload, "repository", "fork")),
        topics=tuple(str(topic) for topic in topics) if isinstance(topics, list) else (),
        default_branch=require_text(payload, "repository", "default_branch"),
        visibility=str(member_at(payload, "repository", "visibility") or ""),
    )
