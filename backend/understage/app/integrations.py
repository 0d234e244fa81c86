"""Wires the integrations: everything by which catalog and actions reach the world."""

from dataclasses import dataclass
from pathlib import Path

from understage.config.settings import Settings
from understage.config.sources import Configuration
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.argocd import argocd_from_config
from understage.integrations.forge_apis import create_forge_apis
from understage.integrations.forges import create_forges
from understage.integrations.git.command import GitCommand
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.helm import helm_from_config
from understage.integrations.http import PolicedHttp
from understage.integrations.kubernetes import clusters_from_config
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.integrations.local.source import LocalSource
from understage.integrations.policies import PolicyFile
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.sources import create_policy, create_readers
from understage.platform.http import HttpClient
from understage.sdk.ports import Adoption, ArgoCds, Clusters, ForgeApis, Forges, Git, Guardrails, Helm, Http


@dataclass(frozen=True)
class Integrations:
    """The ports that are the same for every task, and the local git server of standalone mode."""

    reader: UrlReaders
    git: Git
    forges: Forges
    apis: ForgeApis
    clusters: Clusters
    helm: Helm
    guardrails: Guardrails
    adoption: Adoption
    argocd: ArgoCds
    http: Http
    local: LocalSource | None


def create_integrations(
    configuration: Configuration,
    settings: Settings,
    http: HttpClient,
    *,
    root: Path,
    data_directory: Path,
    with_local_git: bool,
) -> Integrations:
    """Make them from the configuration; relative paths in it start at `root`. Nothing is reached yet.

    `with_local_git` is for one process that also serves what it keeps; replicas would each have repositories of their own.
    """
    repositories = LocalRepositories(data_directory / "git", settings.backend.base_url)
    command = GitCommand()
    local = LocalSource(repositories, command) if with_local_git else None
    helm = helm_from_config(configuration.data)
    guardrails = PolicyFile.from_settings(settings.understage.policies, root)
    return Integrations(
        reader=create_readers(settings.integrations, settings.backend.reading, http, local),
        git=GitRemotes(data_directory / "git-state", command, repositories.locate),
        forges=create_forges(
            settings.integrations,
            http,
            LocalForge(repositories, command) if with_local_git else None,
            preferred=settings.understage.forge,
        ),
        apis=create_forge_apis(settings.integrations, http),
        clusters=clusters_from_config(configuration.data, root),
        helm=helm,
        guardrails=guardrails,
        adoption=ServiceAdoption(helm, guardrails),
        argocd=argocd_from_config(configuration.data),
        http=PolicedHttp(http, create_policy(settings.integrations, settings.backend.reading, http)),
        local=local,
    )
