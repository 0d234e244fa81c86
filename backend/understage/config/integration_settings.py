"""The `integrations` section: the forges and stores that files are read from and written to."""

from typing import Annotated

from pydantic import BeforeValidator

from understage.config.section import Boolean, Section, Text


def _trim(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


Secret = Annotated[Text, BeforeValidator(_trim)]
"""A secret; blanks around it, left by editors and shells, are dropped."""


class GithubApp(Section):
    """One GitHub App that signs in instead of a token."""

    app_id: int
    client_id: Text | None = None
    client_secret: Secret | None = None
    webhook_secret: Secret | None = None
    private_key: Secret
    allowed_installation_owners: tuple[Text, ...] | None = None
    public_access: Boolean = False


class GithubIntegration(Section):
    """One entry of `integrations.github`."""

    host: Text = "github.com"
    api_base_url: Text | None = None
    raw_base_url: Text | None = None
    token: Secret | None = None
    apps: tuple[GithubApp, ...] = ()


class GitlabRetry(Section):
    """How requests to GitLab are repeated and slowed down."""

    max_retries: int = 0
    retry_status_codes: tuple[int, ...] = ()
    max_api_requests_per_minute: int = -1


class GitlabIntegration(Section):
    """One entry of `integrations.gitlab`; the API URL is mandatory unless it is gitlab.com."""

    host: Text = "gitlab.com"
    api_base_url: Text | None = None
    base_url: Text | None = None
    token: Secret | None = None
    commit_signing_key: Secret | None = None
    retry: GitlabRetry = GitlabRetry()


class GiteaIntegration(Section):
    """One entry of `integrations.gitea`; a password without username is a token."""

    host: Text
    base_url: Text | None = None
    username: Text | None = None
    password: Secret | None = None
    commit_signing_key: Secret | None = None


class BitbucketCloudIntegration(Section):
    """One entry of `integrations.bitbucketCloud`."""

    username: Text | None = None
    token: Secret | None = None
    app_password: Secret | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    commit_signing_key: Secret | None = None


class BitbucketServerIntegration(Section):
    """One entry of `integrations.bitbucketServer`."""

    host: Text
    api_base_url: Text | None = None
    token: Secret | None = None
    username: Text | None = None
    password: Secret | None = None
    commit_signing_key: Secret | None = None


class AzureCredential(Section):
    """One way to sign in to Azure DevOps, optionally for some organizations only."""

    organizations: tuple[Text, ...] | None = None
    personal_access_token: Secret | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    tenant_id: Text | None = None
    managed_identity_client_id: Text | None = None


class AzureIntegration(Section):
    """One entry of `integrations.azure`."""

    host: Text = "dev.azure.com"
    credentials: tuple[AzureCredential, ...] = ()
    commit_signing_key: Secret | None = None


class GerritIntegration(Section):
    """One entry of `integrations.gerrit`."""

    host: Text
    base_url: Text | None = None
    gitiles_base_url: Text
    clone_url: Text | None = None
    username: Text | None = None
    password: Secret | None = None
    commit_signing_key: Secret | None = None


IMPLICIT_HOSTS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucketCloud",
    "dev.azure.com": "azure",
}
"""Hosts that are known without an entry, as in Backstage."""


class IntegrationSettings(Section):
    """The `integrations` section; kinds not listed here are kept as they are."""

    github: tuple[GithubIntegration, ...] = ()
    gitlab: tuple[GitlabIntegration, ...] = ()
    gitea: tuple[GiteaIntegration, ...] = ()
    bitbucket_cloud: tuple[BitbucketCloudIntegration, ...] = ()
    bitbucket_server: tuple[BitbucketServerIntegration, ...] = ()
    azure: tuple[AzureIntegration, ...] = ()
    gerrit: tuple[GerritIntegration, ...] = ()

    def type_of(self, host: str) -> str | None:
        """Which kind of integration a host has, as `parseRepoUrl` and the forms know it; None for a foreign host."""
        for kind, entries in (
            ("github", self.github),
            ("gitlab", self.gitlab),
            ("gitea", self.gitea),
            ("bitbucketServer", self.bitbucket_server),
            ("azure", self.azure),
            ("gerrit", self.gerrit),
        ):
            if any(entry.host == host for entry in entries):
                return kind
        return IMPLICIT_HOSTS.get(host)
