"""Catalog files in the repositories of Gitea organizations. Names and defaults as in Backstage catalog-backend-module-gitea."""

import structlog

from understage.catalog.providers.discovery import integrations_of, location_of, schedule_of
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.config.provider_settings import GiteaProvider, read_providers
from understage.integrations.forge_api import ForgeApi
from understage.integrations.gitea.repositories import gitea_api, list_repositories, with_file
from understage.sdk.provider import ProviderSetup
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)


def create_providers(setup: ProviderSetup) -> list["GiteaEntityProvider"]:
    """One for each entry of `catalog.providers.gitea`. Raises InputError for a host that no integration knows."""
    entries = integrations_of(setup.config).gitea
    return [
        GiteaEntityProvider(name, settings, gitea_api(setup.http, entries, settings.host), setup.scheduler)
        for name, settings in read_providers(setup.config).gitea.items()
    ]


class GiteaEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.gitea`. Implements `EntityProvider`."""

    def __init__(self, id: str, settings: GiteaProvider, api: ForgeApi, scheduler: Scheduler) -> None:
        super().__init__(f"gitea-provider:{id}", schedule_of(settings.schedule), scheduler)
        self._settings = settings
        self._api = api

    async def refresh(self) -> None:
        """Read all repositories and make the locations of their files all that there is. A failure leaves what was there."""
        settings = self._settings
        path = settings.catalog_path.removeprefix("/")
        repositories = await list_repositories(self._api, settings.organization)
        found = await with_file(self._api, repositories, path, settings.branch)
        targets = [f"{repository.url}/src/branch/{settings.branch}/{path}" for repository in found]
        await self._connected().replace_all([location_of(target, self.name, optional=None) for target in targets])
        log.info("repositories were read", provider=self.name, repositories=len(repositories), matching=len(found))
