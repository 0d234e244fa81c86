"""The `integrations` section: the forges and stores that files are read from and written to."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

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

    @model_validator(mode="after")
    def _check_pairs(self) -> "BitbucketCloudIntegration":
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("expected both clientId and clientSecret, or neither")
        if self.username and not self.token and not self.app_password:
            raise ValueError("expected a token or an appPassword beside the username")
        return self


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

    @model_validator(mode="after")
    def _check_kind(self) -> "AzureCredential":
        others = (self.client_id, self.client_secret, self.tenant_id, self.managed_identity_client_id)
        if self.personal_access_token and any(others):
            raise ValueError("expected a personalAccessToken alone, or a clientId with what belongs to it")
        if not self.personal_access_token and not self.client_id:
            raise ValueError("expected a personalAccessToken or a clientId")
        if (self.client_secret or self.managed_identity_client_id) and not self.tenant_id:
            raise ValueError("expected a tenantId beside clientSecret or managedIdentityClientId")
        if self.client_secret and self.managed_identity_client_id:
            raise ValueError("expected a clientSecret or a managedIdentityClientId, not both")
        return self


class AzureIntegration(Section):
    """One entry of `integrations.azure`; tokens of Entra ID are for dev.azure.com only."""

    host: Text = "dev.azure.com"
    credentials: tuple[AzureCredential, ...] = ()
    commit_signing_key: Secret | None = None

    @model_validator(mode="after")
    def _check_credentials(self) -> "AzureIntegration":
        removed = {"token", "credential"} & (self.model_extra or {}).keys()
        if removed:
            raise ValueError(f"{' and '.join(sorted(removed))} is no longer read, use credentials instead")
        if self.host != "dev.azure.com" and any(not entry.personal_access_token for entry in self.credentials):
            raise ValueError("expected personal access tokens only, as the host is not dev.azure.com")
        if sum(not entry.organizations for entry in self.credentials) > 1:
            raise ValueError("expected one credential without organizations at most")
        return self


class GerritIntegration(Section):
    """One entry of `integrations.gerrit`."""

    host: Text
    base_url: Text | None = None
    gitiles_base_url: Text
    clone_url: Text | None = None
    username: Text | None = None
    password: Secret | None = None
    disable_edit_url: Boolean = False
    commit_signing_key: Secret | None = None


class HarnessIntegration(Section):
    """One entry of `integrations.harness`; an API key goes before a token."""

    host: Text
    token: Secret | None = None
    api_key: Secret | None = None


class AwsCredentials(Section):
    """How to sign in to AWS: a key, else the identity of the machine; `role_arn` is taken on with it."""

    access_key_id: Text | None = None
    secret_access_key: Secret | None = None
    role_arn: Text | None = None
    external_id: Text | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> "AwsCredentials":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("expected both accessKeyId and secretAccessKey, or neither")
        return self


def _check_endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        raise ValueError("expected an http or https URL without a path")
    return value


Endpoint = Annotated[Text, AfterValidator(_check_endpoint)]


class AwsS3Integration(AwsCredentials):
    """One entry of `integrations.awsS3`; without endpoint it is for Amazon's own hosts."""

    endpoint: Endpoint | None = None
    s3_force_path_style: Boolean = False


class AwsCodeCommitIntegration(AwsCredentials):
    """One entry of `integrations.awsCodeCommit`."""

    host: Text | None = None
    region: Text


class AadCredential(Section):
    """An application of Entra ID."""

    client_id: Text
    tenant_id: Text
    client_secret: Secret


class AzureBlobStorageIntegration(Section):
    """One entry of `integrations.azureBlobStorage`; without credentials the managed identity of the machine signs in."""

    account_name: Text
    account_key: Secret | None = None
    sas_token: Secret | None = None
    connection_string: Secret | None = None
    endpoint_suffix: Text | None = None
    endpoint: Endpoint | None = None
    aad_credential: AadCredential | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "AzureBlobStorageIntegration":
        if sum(value is not None for value in (self.account_key, self.sas_token, self.aad_credential)) > 1:
            raise ValueError("expected one of accountKey, sasToken and aadCredential")
        return self


class GoogleGcsIntegration(Section):
    """`integrations.googleGcs`: a key of a service account, else that of the environment or the machine."""

    client_email: Text | None = None
    private_key: Secret | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> "GoogleGcsIntegration":
        if (self.client_email is None) != (self.private_key is None):
            raise ValueError("expected both clientEmail and privateKey, or neither")
        return self


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
    harness: tuple[HarnessIntegration, ...] = ()
    aws_s3: tuple[AwsS3Integration, ...] = Field(default=(), alias="awsS3")
    aws_code_commit: tuple[AwsCodeCommitIntegration, ...] = ()
    azure_blob_storage: tuple[AzureBlobStorageIntegration, ...] = ()
    google_gcs: GoogleGcsIntegration | None = None

    def type_of(self, host: str) -> str | None:
        """Which kind of integration a host has, as `parseRepoUrl` and the forms know it; None for a foreign host."""
        for kind, entries in (
            ("github", self.github),
            ("gitlab", self.gitlab),
            ("gitea", self.gitea),
            ("bitbucketServer", self.bitbucket_server),
            ("azure", self.azure),
            ("gerrit", self.gerrit),
            ("harness", self.harness),
        ):
            if any(entry.host == host for entry in entries):
                return kind
        return IMPLICIT_HOSTS.get(host)
