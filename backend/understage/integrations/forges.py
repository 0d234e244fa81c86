"""The port `Forges`: where repositories can be created. Made by the composition root of the configured integrations."""

from collections.abc import Sequence
from dataclasses import dataclass

from understage.config.integration_settings import IntegrationSettings
from understage.errors import InputError
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.local.forge import LocalForge
from understage.platform.http import HttpClient
from understage.sdk.ports import Forge


@dataclass(frozen=True)
class ConfiguredForges:
    """Implements `understage.sdk.Forges`.

    `preferred` is the host that new repositories go to, when the configuration says so. `local` is None where no local git
    server is served. `readable` are hosts whose files are read but on which nothing can be created; they only make the
    refusal clearer.
    """

    forges: Sequence[Forge]
    local: Forge | None
    preferred: str | None = None
    readable: tuple[str, ...] = ()

    def get(self, host: str) -> Forge:
        """The forge of a host."""
        creatable = [*self.forges, *([] if self.local is None else [self.local])]
        for forge in creatable:
            if forge.host.lower() == host.lower():
                return forge
        known = ", ".join(forge.host for forge in creatable) or "none"
        if host.lower() in self.readable:
            raise InputError(
                f"Files of {host} are read, but repositories cannot be created on it; they can on: {known}"
            )
        raise InputError(f"No integration for host {host}: configure one under integrations; configured are: {known}")

    def default(self) -> Forge:
        """The preferred forge, else the only configured one, else the local git server. Raises InputError for several."""
        if self.preferred is not None:
            return self.get(self.preferred)
        if not self.forges and self.local is None:
            raise InputError("No forge is configured: add one under integrations, for example integrations.gitea")
        if not self.forges and self.local is not None:
            return self.local
        if len(self.forges) > 1:
            hosts = ", ".join(forge.host for forge in self.forges)
            raise InputError(
                f"Several forges are configured ({hosts}): name a host, or set understage.forge to one of them"
            )
        return self.forges[0]


def create_forges(
    settings: IntegrationSettings, http: HttpClient, local: LocalForge | None, *, preferred: str | None = None
) -> ConfiguredForges:
    """The forges of the `integrations` section, and the local git server where there is one."""
    forges = [
        create_gitea_forge(
            http,
            host=entry.host,
            base_url=entry.base_url,
            username=entry.username,
            password=entry.password,
        )
        for entry in settings.gitea
    ]
    readable = (
        "github.com",
        "gitlab.com",
        *(entry.host.lower() for entry in settings.github),
        *(entry.host.lower() for entry in settings.gitlab),
    )
    return ConfiguredForges(forges, local, preferred, readable)
