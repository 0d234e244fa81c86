"""Catalog files in the repositories of Bitbucket Cloud workspaces: a full round by schedule, deltas by events.

Names, filters and defaults as in Backstage catalog-backend-module-bitbucket-cloud.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from understage.catalog.location_entity import make_location_entity
from understage.catalog.providers.discovery import integrations_of, location_refs, schedule_of
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.catalog.scm.event import require_text
from understage.config.provider_settings import BitbucketCloudProvider, anchored, read_providers
from understage.integrations.bitbucket.cloud_search import (
    FoundFile,
    bitbucket_cloud_api,
    list_projects,
    search_files,
)
from understage.integrations.forge_api import ForgeApi
from understage.model.members import member_at
from understage.model.ref import LocationRef
from understage.sdk.provider import ProvidedEntity, ProviderSetup
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)

REPO_URL = "bitbucket.org/repo-url"
DEFAULT_BRANCH = "master"


def create_providers(setup: ProviderSetup) -> list["BitbucketCloudEntityProvider"]:
    """One for each entry of `catalog.providers.bitbucketCloud`."""
    api = bitbucket_cloud_api(setup.http, integrations_of(setup.config).bitbucket_cloud)
    return [
        BitbucketCloudEntityProvider(name, settings, api, setup.scheduler)
        for name, settings in read_providers(setup.config).bitbucket_cloud.items()
    ]


class BitbucketCloudEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.bitbucketCloud`. Implements `EntityProvider` and `EventSubscriber`."""

    topics = ("bitbucketCloud.repo:push", "bitbucketCloud.repo:updated")

    def __init__(self, id: str, settings: BitbucketCloudProvider, api: ForgeApi, scheduler: Scheduler) -> None:
        super().__init__(f"bitbucketCloud-provider:{id}", schedule_of(settings.schedule), scheduler)
        self._settings = settings
        self._api = api

    async def refresh(self) -> None:
        """Search all projects and make the found files all that there is. A failure leaves what was there."""
        found: list[FoundFile] = []
        for key in await list_projects(self._api, self._settings.workspace, self._settings.pagelen):
            if self._accepts_project(key):
                found += await self._search(project=key)
        await self._connected().replace_all([self._location(file) for file in self._accepted(found)])
        log.info("repositories were searched", provider=self.name, files=len(found))

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on a push, which says nothing about files, and on another URL of a repository."""
        full_name = require_text(payload, "repository", "full_name")
        workspace, _, slug = full_name.partition("/")
        key = member_at(payload, "repository", "project", "key")
        if workspace != self._settings.workspace or not self._accepts(slug, key if isinstance(key, str) else ""):
            return
        url = require_text(payload, "repository", "links", "html", "href")
        old = member_at(payload, "changes", "links", "old", "html", "href") if topic.endswith(":updated") else url
        if not isinstance(old, str):
            return
        found = self._accepted(await self._search(slug=slug))
        before = await self._given_of(old)
        targets = [_target(file) for file in found]
        new = [self._location(file) for file in found if _target(file) not in before]
        gone = [target for target in before if target not in targets]
        if new or gone:
            await self._connected().apply_delta(new, location_refs(gone))
        if kept := [f"url:{target}" for target in targets if target in before]:
            await self._connected().refresh(kept)

    async def _given_of(self, repository_url: str) -> list[str]:
        """The targets of the locations that a repository has given us."""
        given = (provided.entity for provided in await self._connected().list_given())
        return [
            entity["spec"]["target"]
            for entity in given
            if member_at(entity, "metadata", "annotations", REPO_URL) == repository_url
        ]

    async def _search(self, *, project: str | None = None, slug: str | None = None) -> list[FoundFile]:
        settings = self._settings
        return await search_files(
            self._api, settings.workspace, settings.catalog_path, settings.pagelen, project=project, slug=slug
        )

    def _accepted(self, files: Sequence[FoundFile]) -> list[FoundFile]:
        unique = {_target(file): file for file in files if self._accepts(file.slug, file.project_key)}
        return list(unique.values())

    def _accepts(self, slug: str, project_key: str) -> bool:
        pattern = self._settings.filters.repo_slug
        return self._accepts_project(project_key) and (pattern is None or bool(anchored(pattern).search(slug)))

    def _accepts_project(self, key: str) -> bool:
        pattern = self._settings.filters.project_key
        return pattern is None or bool(anchored(pattern).search(key))

    def _location(self, file: FoundFile) -> ProvidedEntity:
        entity = make_location_entity(LocationRef("url", _target(file)), optional=False)
        annotations = {**entity["metadata"]["annotations"], REPO_URL: file.repository_url}
        return ProvidedEntity({**entity, "metadata": {**entity["metadata"], "annotations": annotations}}, self.name)


def _target(file: FoundFile) -> str:
    return f"{file.repository_url}/src/{file.main_branch or DEFAULT_BRANCH}/{file.path}"
