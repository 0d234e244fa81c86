"""What is discovered on GitLab; made only when the configuration asks for it."""

from understage.catalog.providers.discovery import integrations_of
from understage.catalog.providers.gitlab.discovery import GitlabDiscoveryEntityProvider
from understage.catalog.providers.gitlab.organizations import GitlabOrgDiscoveryEntityProvider
from understage.config.provider_settings import read_providers
from understage.integrations.gitlab.entries import gitlab_entry
from understage.integrations.gitlab.members import GitlabMembers
from understage.integrations.gitlab.projects import gitlab_api
from understage.sdk.provider import EntityProvider, ProviderSetup


def create_providers(setup: ProviderSetup) -> list[EntityProvider]:
    """One for each entry of `catalog.providers.gitlab`, and one more for users and groups where `orgEnabled` says so.

    Raises InputError for a host that no integration knows.
    """
    entries = integrations_of(setup.config).gitlab
    providers: list[EntityProvider] = []
    for name, settings in read_providers(setup.config).gitlab.items():
        entry = gitlab_entry(entries, settings.host)
        api = gitlab_api(setup.http, entry)
        providers.append(GitlabDiscoveryEntityProvider(name, settings, api, setup.scheduler))
        if settings.org_enabled:
            members = GitlabMembers(setup.http, entry)
            providers.append(GitlabOrgDiscoveryEntityProvider(name, settings, members, setup.scheduler))
    return providers
