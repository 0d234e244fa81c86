"""What is discovered on GitLab; made only when the configuration asks for it."""

from understage.catalog.providers.discovery import integrations_of
from understage.catalog.providers.gitlab.discovery import GitlabDiscoveryEntityProvider
from understage.config.provider_settings import read_providers
from understage.integrations.gitlab.projects import gitlab_api, gitlab_entry
from understage.sdk.provider import EntityProvider, ProviderSetup


def create_providers(setup: ProviderSetup) -> list[EntityProvider]:
    """One for each entry of `catalog.providers.gitlab`. Raises InputError for a host that no integration knows."""
    entries = integrations_of(setup.config).gitlab
    return [
        GitlabDiscoveryEntityProvider(
            name, settings, gitlab_api(setup.http, gitlab_entry(entries, settings.host)), setup.scheduler
        )
        for name, settings in read_providers(setup.config).gitlab.items()
    ]
