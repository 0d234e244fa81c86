"""The sources of files that the configuration names, in the order in which a URL is offered to them.

Called by the composition root for the catalog's and the scaffolder's url reader, and for the hosts actions may ask.
"""

from collections.abc import Iterator, Sequence

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.integrations.azure.source import AzureSource
from understage.integrations.bitbucket.cloud_source import BitbucketCloudSource
from understage.integrations.bitbucket.server_source import BitbucketServerSource
from understage.integrations.gerrit.source import GerritSource
from understage.integrations.gitea.source import GiteaSource
from understage.integrations.github.credentials import GithubCredentials
from understage.integrations.github.source import GithubSource
from understage.integrations.gitlab.patience import patient
from understage.integrations.gitlab.source import GitlabSource
from understage.integrations.harness.source import HarnessSource
from understage.integrations.local.source import LocalSource
from understage.integrations.reader.forge_source import ForgeSource
from understage.integrations.reader.plain import PlainSource
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.reader.source import Source
from understage.platform.http import AllowRule, HostPolicy, HttpClient, origin_of, rules_of


def create_readers(
    settings: IntegrationSettings, reading: Reading, http: HttpClient, local: LocalSource | None = None
) -> UrlReaders:
    """The url reader of a configuration; `local` is the local git server, where there is one.

    github.com, gitlab.com, bitbucket.org and dev.azure.com are readable without an entry, as in Backstage.
    """
    sources: list[Source] = [] if local is None else [local]
    sources += [*_forges(settings, http), *_stores(settings, http), PlainSource(http, _rules(reading))]
    return UrlReaders(sources)


def create_policy(settings: IntegrationSettings, reading: Reading, http: HttpClient) -> HostPolicy:
    """Which hosts actions may ask over HTTP: those of the integrations, and those of `backend.reading.allow`."""
    origins = set()
    for source in _forges(settings, http):
        origins |= {origin_of(source.api_base_url), f"https://{source.host}"}
    return HostPolicy(_rules(reading), frozenset(origins))


def _rules(reading: Reading) -> tuple[AllowRule, ...]:
    return rules_of((entry.host, entry.paths) for entry in reading.allow)


def _stores(settings: IntegrationSettings, http: HttpClient) -> Iterator[Source]:
    """The object stores; the code of those that are not configured is not loaded.

    None is read without an entry: it would be with the identity of the machine, which may read more than people should.
    """
    if settings.google_gcs is not None:
        from understage.integrations.gcs.source import GoogleGcsSource

        yield GoogleGcsSource(http, settings.google_gcs)
    if settings.aws_s3:
        from understage.integrations.aws.s3_source import AwsS3Source

        yield from (AwsS3Source(http, entry) for entry in settings.aws_s3)
    if settings.azure_blob_storage:
        from understage.integrations.azure.blob_source import AzureBlobSource

        yield from (AzureBlobSource(http, entry) for entry in settings.azure_blob_storage)
    if settings.aws_code_commit:
        from understage.integrations.aws.codecommit_source import AwsCodeCommitSource

        yield from (AwsCodeCommitSource(http, entry) for entry in settings.aws_code_commit)


def _forges(settings: IntegrationSettings, http: HttpClient) -> Sequence[ForgeSource]:
    """The forges, in the order in which Backstage asks its readers."""
    azure_hosts = dict.fromkeys([*(entry.host for entry in settings.azure), "dev.azure.com"])
    azure = [
        AzureSource(
            http,
            host=host,
            credentials=[each for entry in settings.azure if entry.host == host for each in entry.credentials],
        )
        for host in azure_hosts
    ]
    bitbucket_cloud = BitbucketCloudSource(http, next(iter(settings.bitbucket_cloud), None))
    bitbucket_server = [BitbucketServerSource(http, entry) for entry in settings.bitbucket_server]
    gerrit = [GerritSource(http, entry) for entry in settings.gerrit]
    github = [
        GithubSource(
            http,
            host=entry.host,
            api_base_url=entry.api_base_url,
            raw_base_url=entry.raw_base_url,
            token=entry.token,
            apps=GithubCredentials(http, entry) if entry.apps else None,
        )
        for entry in settings.github
    ]
    gitea = [
        GiteaSource(http, host=entry.host, base_url=entry.base_url, username=entry.username, password=entry.password)
        for entry in settings.gitea
    ]
    gitlab = [
        GitlabSource(
            patient(http, entry.retry),
            host=entry.host,
            api_base_url=entry.api_base_url,
            base_url=entry.base_url,
            token=entry.token,
        )
        for entry in settings.gitlab
    ]
    if all(source.host != "github.com" for source in github):
        github.append(GithubSource(http))
    if all(source.host != "gitlab.com" for source in gitlab):
        gitlab.append(GitlabSource(http))
    harness = [HarnessSource(http, entry) for entry in settings.harness]
    return [*azure, bitbucket_cloud, *bitbucket_server, *gerrit, *github, *gitea, *gitlab, *harness]
