"""`catalog.providers`: what is discovered on forges, with the keys of the stock modules."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from understage.config.duration import Duration, parse_duration
from understage.config.section import Boolean, Section, Text, one_or_many

ONLY_ENTRY = "default"
"""The id of a provider that stands alone, without an id in the file."""


def _read_frequency(value: Any) -> Any:
    """A duration, a cron expression, or `manual`."""
    if isinstance(value, Mapping) and isinstance(value.get("cron"), str) and value["cron"].strip():
        return value["cron"]
    if isinstance(value, Mapping) and "trigger" in value:
        if value["trigger"] != "manual":
            raise ValueError("expected `trigger: manual`")
        return "manual"
    return parse_duration(value)


class ScheduleSettings(Section):
    """The schedule object of all providers."""

    frequency: Annotated[timedelta | str, BeforeValidator(_read_frequency)]
    timeout: Duration
    initial_delay: Duration | None = None
    scope: Literal["global", "local"] = "global"


def _by_id(*marks: str) -> BeforeValidator:
    """A map of providers by id; an object that has one of the keys `marks` is the only one, named default."""

    def read(value: Any) -> Any:
        if isinstance(value, Mapping):
            if any(mark in value for mark in marks):
                return {ONLY_ENTRY: value}
            return {name: entry for name, entry in value.items() if entry is not None}
        return value

    return BeforeValidator(read)


def anchored(pattern: str) -> re.Pattern[str]:
    """A regular expression that begins and ends with a name, as it does in the stock modules, whether or not it says so."""
    head = "" if pattern.startswith("^") else "^"
    tail = "" if pattern.endswith("$") else "$"
    return re.compile(f"{head}{pattern}{tail}")


def _check_pattern(value: Any) -> Any:
    if isinstance(value, str):
        try:
            anchored(value)
        except re.error as error:
            raise ValueError(f"expected a regular expression, {error}") from None
    return value


Pattern = Annotated[Text, BeforeValidator(_check_pattern)]
"""A regular expression."""
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_many)]


class TopicFilter(Section):
    """Topics that a repository must have, one of `include`, and may not have, none of `exclude`."""

    include: tuple[Text, ...] = ()
    exclude: tuple[Text, ...] = ()


class GithubFilters(Section):
    """`catalog.providers.github.<id>.filters`."""

    branch: Text | None = None
    repository: Pattern | None = None
    allow_forks: Boolean = True
    allow_archived: Boolean = False
    topic: TopicFilter = TopicFilter()
    visibility: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _check_branch(self) -> "GithubFilters":
        if self.branch and "/" in self.branch:
            raise ValueError("a branch filter may not hold a slash: URLs of files on GitHub have no place for it")
        return self


class RepositoryPages(Section):
    """`catalog.providers.github.<id>.pageSizes`."""

    repositories: int = Field(default=25, ge=1, le=100)


class GithubProvider(Section):
    """One entry of `catalog.providers.github`."""

    organization: Text | None = None
    app: int | None = None
    host: Text = "github.com"
    catalog_path: Text = "/catalog-info.yaml"
    validate_locations_exist: Boolean = False
    filters: GithubFilters = GithubFilters()
    page_sizes: RepositoryPages = RepositoryPages()
    schedule: ScheduleSettings = ScheduleSettings(frequency=timedelta(hours=3), timeout=timedelta(hours=1))

    @model_validator(mode="after")
    def _check_source(self) -> "GithubProvider":
        if (self.organization is None) == (self.app is None):
            raise ValueError("a GitHub provider needs either an organization or an app")
        if self.validate_locations_exist and "*" in self.catalog_path:
            raise ValueError(
                f"Error while processing GitHub provider config. The catalog path {self.catalog_path} contains a wildcard, "
                "which is incompatible with validation of locations existing before emitting them. Ensure that "
                "validateLocationsExist is set to false."
            )
        return self


class OrganizationPages(Section):
    """`catalog.providers.githubOrg[].pageSizes`."""

    teams: int = Field(default=25, ge=1, le=100)
    team_members: int = Field(default=50, ge=1, le=100)
    organization_members: int = Field(default=50, ge=1, le=100)


class UserTransformer(Section):
    """`catalog.providers.githubOrg[].defaultUserTransformer`."""

    use_verified_emails: Boolean = False


class GithubOrgProvider(Section):
    """One entry of `catalog.providers.githubOrg`."""

    id: Text
    github_url: Text
    orgs: tuple[Text, ...] = ()
    exclude_suspended_users: Boolean = False
    default_user_transformer: UserTransformer = UserTransformer()
    page_sizes: OrganizationPages = OrganizationPages()
    schedule: ScheduleSettings

    @model_validator(mode="after")
    def _check_url(self) -> "GithubOrgProvider":
        if not re.match(r"https?://[^/\s]+", self.github_url):
            raise ValueError("githubUrl must be an http or https URL, for example https://github.com")
        return self


class GiteaProvider(Section):
    """One entry of `catalog.providers.gitea`."""

    host: Text
    organization: Text
    branch: Text = "main"
    catalog_path: Text = "catalog-info.yaml"
    schedule: ScheduleSettings


class GitlabProvider(Section):
    """One entry of `catalog.providers.gitlab`. Patterns may match anywhere in a name."""

    host: Text
    group: str = ""
    branch: Text | None = None
    fallback_branch: Text = "master"
    entity_filename: Text = "catalog-info.yaml"
    project_pattern: Pattern | None = None
    user_pattern: Pattern | None = None
    group_pattern: Annotated[tuple[Pattern, ...], BeforeValidator(one_or_many)] = ()
    use_search: Boolean = False
    skip_forked_repos: Boolean = False
    include_archived_repos: Boolean = False
    exclude_repos: tuple[Text, ...] = ()
    membership: Boolean = False
    topics: Texts = ()
    org_enabled: Boolean = False
    allow_inherited: Boolean = False
    relations: tuple[Literal["DIRECT", "INHERITED", "DESCENDANTS", "SHARED_FROM_GROUPS"], ...] = ()
    restrict_users_to_group: Boolean = False
    include_users_without_seat: Boolean = False
    schedule: ScheduleSettings

    @model_validator(mode="after")
    def _check_group(self) -> "GitlabProvider":
        if self.use_search and not self.group:
            raise ValueError("useSearch needs a group: GitLab searches files below a group")
        if self.org_enabled and not self.group and self.host == "gitlab.com":
            raise ValueError("Missing 'group' value: orgEnabled on gitlab.com needs a group")
        if self.restrict_users_to_group and not self.group:
            raise ValueError("restrictUsersToGroup needs a group")
        return self


class BitbucketFilters(Section):
    """`catalog.providers.bitbucketCloud.<id>.filters`."""

    repo_slug: Pattern | None = None
    project_key: Pattern | None = None


class BitbucketCloudProvider(Section):
    """One entry of `catalog.providers.bitbucketCloud`."""

    workspace: Text
    catalog_path: Text = "/catalog-info.yaml"
    filters: BitbucketFilters = BitbucketFilters()
    pagelen: int = Field(default=100, ge=1, le=100)
    schedule: ScheduleSettings


class BackstageOpenapiProvider(Section):
    """`catalog.providers.backstageOpenapi`."""

    plugins: tuple[Text, ...]
    entity_overrides: dict[str, Any] = Field(default_factory=dict)
    definition_format: Literal["json", "yaml"] = "json"


class ProviderSettings(Section):
    """The `catalog.providers` section; those of other packages are kept as they are."""

    github: Annotated[dict[str, GithubProvider], _by_id("organization", "app")] = Field(default_factory=dict)
    github_org: Annotated[tuple[GithubOrgProvider, ...], BeforeValidator(one_or_many)] = ()
    gitlab: Annotated[dict[str, GitlabProvider], _by_id()] = Field(default_factory=dict)
    bitbucket_cloud: Annotated[dict[str, BitbucketCloudProvider], _by_id("workspace")] = Field(default_factory=dict)
    gitea: Annotated[dict[str, GiteaProvider], _by_id()] = Field(default_factory=dict)
    backstage_openapi: BackstageOpenapiProvider | None = None


def read_providers(config: Mapping[str, Any]) -> ProviderSettings:
    """The section of a merged app-config, which was checked as a whole before."""
    return ProviderSettings.model_validate((config.get("catalog") or {}).get("providers") or {})
