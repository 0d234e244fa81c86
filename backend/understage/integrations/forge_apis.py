"""The port `ForgeApis`: who actions sign in as at GitHub, GitLab and Bitbucket Cloud. Made by the composition root.

A token that comes with a step goes before the configuration's; GitLab takes that one as an OAuth token, its own as a private
token. Users' names for git are those of Backstage's publish actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from understage.config.integration_settings import BitbucketCloudIntegration, IntegrationSettings
from understage.errors import InputError
from understage.integrations.bitbucket.cloud_credentials import BitbucketCloudCredentials
from understage.integrations.github.credentials import GithubCredentials, entry_of, github_api_url
from understage.integrations.gitlab.entries import gitlab_base_url, gitlab_entry
from understage.integrations.signed_api import SignedApi, SignIn
from understage.sdk.ports import ForgeType, GitCredentials, Http

BITBUCKET_HOST = "bitbucket.org"
BITBUCKET_API = "https://api.bitbucket.org/2.0"
GITHUB_API_VERSION = "2022-11-28"


@dataclass(frozen=True)
class ConfiguredForgeApis:
    """Implements `understage.sdk.ForgeApis`. `github` keeps the tokens of apps, by host."""

    http: Http
    settings: IntegrationSettings
    github: Mapping[str, GithubCredentials]

    async def get(
        self, type: ForgeType, host: str, *, owner: str | None = None, repo: str | None = None, token: str | None = None
    ) -> SignedApi:
        """See `ForgeApis`."""
        if self.settings.type_of(host) not in (type, None):
            raise InputError(f"No integration for host {host}: it is none of {type}, which this action is for")
        if type == "github":
            return await self._github(host, owner, repo, token)
        if type == "gitlab":
            return self._gitlab(host, token)
        return await self._bitbucket(host, token)

    async def _github(self, host: str, owner: str | None, repo: str | None, token: str | None) -> SignedApi:
        try:
            entry = entry_of(self.settings.github, host)
        except InputError as error:
            raise InputError(f"No integration for host {host}: add one under integrations.github") from error
        given = token
        if not given:
            if not owner or not repo:
                raise InputError("No owner and/or repo provided, which is required if a token is not provided")
            credentials = self.github.get(host.lower()) or GithubCredentials(self.http, entry)
            found = await credentials.find(owner, repo)
            if found is None:
                raise InputError(
                    f"No token available for host: {host}, with owner {owner}, and repo {repo}. Configure a token or an app "
                    "for it under integrations.github, or pass a token to the step"
                )
            given = found.token
        headers = {"Authorization": f"Bearer {given}", "X-GitHub-Api-Version": GITHUB_API_VERSION}
        return SignedApi(
            self.http,
            "github",
            host,
            github_api_url(entry),
            _always(headers),
            None if token else "integrations.github",
            GitCredentials("x-access-token", given),
            (given,),
        )

    def _gitlab(self, host: str, token: str | None) -> SignedApi:
        try:
            entry = gitlab_entry(self.settings.gitlab, host)
        except InputError as error:
            raise InputError(
                f"No matching integration configuration for host {host}, please check your integrations config: add it under "
                "integrations.gitlab"
            ) from error
        given = token or entry.token
        if not given:
            raise InputError(
                f"No token available for host {host}: configure one under integrations.gitlab, or pass a token to the step"
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {"PRIVATE-TOKEN": given}
        return SignedApi(
            self.http,
            "gitlab",
            host,
            (entry.api_base_url or f"{gitlab_base_url(entry)}/api/v4").rstrip("/"),
            _always(headers),
            None if token else "integrations.gitlab",
            GitCredentials("oauth2", given),
            (given,),
        )

    async def _bitbucket(self, host: str, token: str | None) -> SignedApi:
        if host.lower() != BITBUCKET_HOST:
            raise InputError(
                f"No matching integration configuration for host {host}, please check your integrations config: Bitbucket Cloud "
                f"is {BITBUCKET_HOST}"
            )
        entry = next(iter(self.settings.bitbucket_cloud), BitbucketCloudIntegration())
        if token:
            entry = BitbucketCloudIntegration(token=token)
        credentials = BitbucketCloudCredentials(self.http, entry)
        leased = await credentials.lease()
        headers = credentials.headers(leased)
        if not headers:
            raise InputError(
                "Authorization has not been provided for Bitbucket Cloud: configure clientId and clientSecret, a token, or "
                "username and token under integrations.bitbucketCloud, or pass a token to the step"
            )
        hidden = tuple(text for text in (leased, entry.token, entry.app_password) if text)
        return SignedApi(
            self.http,
            "bitbucketCloud",
            BITBUCKET_HOST,
            BITBUCKET_API,
            _always(headers),
            None if token else "integrations.bitbucketCloud",
            _bitbucket_git(entry, leased),
            hidden,
        )


def create_forge_apis(settings: IntegrationSettings, http: Http) -> ConfiguredForgeApis:
    """The APIs of the forges of the `integrations` section."""
    github = {entry.host.lower(): GithubCredentials(http, entry) for entry in settings.github}
    return ConfiguredForgeApis(http, settings, github)


def _always(headers: Mapping[str, str]) -> SignIn:
    async def sign_in() -> Mapping[str, str]:
        return headers

    return sign_in


def _bitbucket_git(entry: BitbucketCloudIntegration, leased: str | None) -> GitCredentials | None:
    if leased:
        return GitCredentials("x-token-auth", leased)
    if entry.username and entry.token:
        return GitCredentials("x-bitbucket-api-token-auth", entry.token)
    if entry.token:
        return GitCredentials("x-token-auth", entry.token)
    if entry.username and entry.app_password:
        return GitCredentials(entry.username, entry.app_password)
    return None
