"""Which entry of `integrations.gitlab` a host has, and where it is. Asked by actions, discovery and members."""

from collections.abc import Sequence

from understage.config.integration_settings import GitlabIntegration
from understage.errors import InputError


def gitlab_entry(entries: Sequence[GitlabIntegration], host: str) -> GitlabIntegration:
    """The entry of a host; gitlab.com needs none. Raises InputError for any other without one."""
    found = next((entry for entry in entries if entry.host.lower() == host.lower()), None)
    if found is not None:
        return found
    if host == "gitlab.com":
        return GitlabIntegration()
    raise InputError(f"No gitlab integration found that matches host {host}; add one under integrations.gitlab")


def gitlab_base_url(entry: GitlabIntegration) -> str:
    """The address of its pages."""
    return (entry.base_url or f"https://{entry.host}").rstrip("/")
