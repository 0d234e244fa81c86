"""Making a repository on GitHub with all that belongs to it. Called by `publish:github` and `github:repo:create`.

The order of the requests is that of the stock actions (Backstage scaffolder-backend-module-github 0.10.0).
"""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionModel, ConflictError, InputError, NotFoundError, UnderstageError
from understage_actions._calls import given, segment
from understage_actions._github import Github, RepoUrlText, TokenText
from understage_actions._github_sealing import store_secrets


class UserCollaborator(ActionModel):
    """A user, and what the user may do."""

    access: str = Field(description="pull, triage, push, maintain, admin, or a role of the organization")
    user: str = Field(description="Login, or an entity ref whose name is the login")


class TeamCollaborator(ActionModel):
    """A team, and what it may do."""

    access: str = Field(description="pull, triage, push, maintain, admin, or a role of the organization")
    team: str = Field(description="Slug, or an entity ref whose name is the slug")


class OidcCustomization(ActionModel):
    """The subject of the tokens that workflows sign in to clouds with."""

    use_default: bool = Field(default=True, description="Whether the subject is GitHub's default one")
    include_claim_keys: list[str] | None = Field(default=None, description="The claims that the subject is made of")


class RepositorySettings(ActionModel):
    """The repository to make."""

    repo_url: RepoUrlText
    description: str | None = Field(default=None, description="Description of the repository")
    homepage: str | None = Field(default=None, description="Web page that belongs to it")
    access: str | None = Field(
        default=None, description="An administrator beside its owner: a login, or a team as `organization/slug`"
    )
    repo_visibility: Literal["private", "public", "internal"] = Field(
        default="private", description="Who may see it; internal: all of the enterprise"
    )
    delete_branch_on_merge: bool = Field(default=False, description="Branches are deleted when they are merged")
    allow_merge_commit: bool = Field(default=True, description="Pull requests may be merged by a merge commit")
    allow_squash_merge: bool = Field(default=True, description="Pull requests may be merged as one commit")
    squash_merge_commit_title: Literal["PR_TITLE", "COMMIT_OR_PR_TITLE"] = Field(
        default="COMMIT_OR_PR_TITLE", description="Title of such a commit"
    )
    squash_merge_commit_message: Literal["PR_BODY", "COMMIT_MESSAGES", "BLANK"] = Field(
        default="COMMIT_MESSAGES", description="Text of such a commit"
    )
    allow_rebase_merge: bool = Field(default=True, description="Pull requests may be merged by a rebase")
    allow_auto_merge: bool = Field(default=False, description="Pull requests may be set to merge by themselves")
    allow_update_branch: bool = Field(default=False, description="Pull requests offer to take in their target branch")
    collaborators: list[UserCollaborator | TeamCollaborator] | None = Field(
        default=None, description="Users and teams with access; those that GitHub refuses are only logged"
    )
    has_projects: bool | None = Field(default=None, description="Whether it has projects")
    has_wiki: bool | None = Field(default=None, description="Whether it has a wiki")
    has_issues: bool | None = Field(default=None, description="Whether it has issues")
    topics: list[str] | None = Field(default=None, description="Topics; written in small letters")
    repo_variables: dict[str, str] | None = Field(default=None, description="Variables for GitHub Actions")
    secrets: dict[str, str] | None = Field(default=None, description="Secrets for GitHub Actions")
    oidc_customization: OidcCustomization | None = Field(
        default=None, description="The subject of the tokens that workflows sign in to clouds with"
    )
    custom_properties: dict[str, str | list[str]] | None = Field(
        default=None, description="Values of the organization's custom properties"
    )
    subscribe: bool | None = Field(default=None, description="Watch the repository, as whom the token belongs to")
    token: TokenText = None


async def create_repository(
    github: Github, wanted: RepositorySettings, *, auto_init: bool | None = None, workflow_access: str | None = None
) -> dict[str, Any]:
    """Make it; returns `{clone_url, html_url}`. Raises ConflictError for a taken name, InputError for what GitHub refuses."""
    calls = github.calls
    owner = await calls.read(f"/users/{segment(github.owner)}")
    team = _team_of(github, wanted.access)
    if team is not None:
        await _check_team(github, team)
    repository = await _create(github, wanted, str(owner.get("type")), auto_init)
    if team is not None:
        await _admit_team(github, team, "admin")
    elif wanted.access and wanted.access != github.owner:
        await _admit_user(github, wanted.access, "admin")
    for collaborator in wanted.collaborators or []:
        await _admit(github, collaborator)
    await _set_topics(github, wanted.topics)
    for name, value in (wanted.repo_variables or {}).items():
        await _add_variable(github, name, value)
    await store_secrets(
        calls, f"{github.path}/actions/secrets", wanted.secrets or {}, key=f"create.repo.secret.{github.key}"
    )
    await _customize(github, wanted, workflow_access)
    return repository


async def _create(github: Github, wanted: RepositorySettings, type: str, auto_init: bool | None) -> dict[str, Any]:
    body = _body(github, wanted, auto_init)
    path = "/user/repos"
    if type == "Organization":
        path = f"/orgs/{segment(github.owner)}/repos"
        body |= given(custom_properties=wanted.custom_properties, visibility=wanted.repo_visibility)
    name = f"{github.owner}/{github.repo}"

    async def check_free() -> None:
        if await github.calls.find(github.path) is not None:
            raise ConflictError(
                f"Failed to create the {type} repository {name}, it exists on {github.calls.api.host} already: choose "
                "another name"
            )

    async def made_before() -> dict[str, Any] | None:
        found = await github.calls.find(github.path)
        return None if found is None else _place(found)

    try:
        made: dict[str, Any] = await github.calls.write(
            "POST",
            path,
            body,
            key=f"create.github.repo.{github.key}",
            keep=_place,
            planned=_place(github.planned()),
            unless=made_before,
            check_first=check_free,
        )
    except ConflictError:
        raise
    except UnderstageError as error:
        if "Resource not accessible by integration" in error.message:
            github.calls.ctx.log.warn(
                "The GitHub app or token provided may not have the required permissions to create the "
                f"{type} repository {name}."
            )
        raise InputError(f"Failed to create the {type} repository {name}, {error.message}") from error
    return made


def _place(repository: dict[str, Any]) -> dict[str, Any]:
    return {"clone_url": repository["clone_url"], "html_url": repository["html_url"]}


def _body(github: Github, wanted: RepositorySettings, auto_init: bool | None) -> dict[str, Any]:
    return given(
        name=github.repo,
        private=wanted.repo_visibility == "private",
        description=wanted.description,
        homepage=wanted.homepage,
        auto_init=auto_init,
        delete_branch_on_merge=wanted.delete_branch_on_merge,
        allow_merge_commit=wanted.allow_merge_commit,
        allow_squash_merge=wanted.allow_squash_merge,
        squash_merge_commit_title=wanted.squash_merge_commit_title,
        squash_merge_commit_message=wanted.squash_merge_commit_message,
        allow_rebase_merge=wanted.allow_rebase_merge,
        allow_auto_merge=wanted.allow_auto_merge,
        allow_update_branch=wanted.allow_update_branch,
        has_projects=wanted.has_projects,
        has_wiki=wanted.has_wiki,
        has_issues=wanted.has_issues,
    )


def _team_of(github: Github, access: str | None) -> str | None:
    """The slug of `organization/slug`, where the organization is the owner."""
    prefix = f"{github.owner}/"
    return access.removeprefix(prefix) if access and access.startswith(prefix) else None


async def _check_team(github: Github, team: str) -> None:
    if await github.calls.find(f"/orgs/{segment(github.owner)}/teams/{segment(team)}") is None:
        raise NotFoundError(
            f"Received 'Not Found' from the API; one of org: {github.owner} or team: {team} was not found within GitHub. "
            "Check `access`"
        )


async def _admit_team(github: Github, team: str, permission: str) -> None:
    path = f"/orgs/{segment(github.owner)}/teams/{segment(team)}{github.path}"
    await github.calls.write("PUT", path, {"permission": permission}, key=f"admit.team.{github.key}.{team}")


async def _admit_user(github: Github, user: str, permission: str) -> None:
    path = f"{github.path}/collaborators/{segment(user)}"
    await github.calls.write("PUT", path, {"permission": permission}, key=f"admit.user.{github.key}.{user}")


async def _admit(github: Github, collaborator: UserCollaborator | TeamCollaborator) -> None:
    ref = collaborator.user if isinstance(collaborator, UserCollaborator) else collaborator.team
    name = ref.rpartition("/")[2].rpartition(":")[2]
    try:
        if isinstance(collaborator, UserCollaborator):
            await _admit_user(github, name, collaborator.access)
        else:
            await _admit_team(github, name, collaborator.access)
    except UnderstageError as error:
        github.calls.ctx.log.warn(f"Skipping {collaborator.access} access for {ref}, {error.message}")


async def _set_topics(github: Github, topics: list[str] | None) -> None:
    if topics is None:
        return
    names = [topic.lower() for topic in topics]
    try:
        await github.calls.write("PUT", f"{github.path}/topics", {"names": names}, key=f"set.topics.{github.key}")
    except UnderstageError as error:
        github.calls.ctx.log.warn(f"Skipping topics {' '.join(topics)}, {error.message}")


async def _add_variable(github: Github, name: str, value: str) -> None:
    path = f"{github.path}/actions/variables"

    async def added_before() -> bool | None:
        return True if await github.calls.find(f"{path}/{segment(name)}") is not None else None

    await github.calls.write(
        "POST",
        path,
        {"name": name, "value": value},
        key=f"create.repo.variable.{github.key}.{name}",
        unless=added_before,
    )


async def _customize(github: Github, wanted: RepositorySettings, workflow_access: str | None) -> None:
    calls = github.calls
    if wanted.oidc_customization is not None:
        body = given(
            use_default=wanted.oidc_customization.use_default,
            include_claim_keys=wanted.oidc_customization.include_claim_keys,
        )
        await calls.write(
            "PUT", f"{github.path}/actions/oidc/customization/sub", body, key=f"customize.oidc.{github.key}"
        )
    if wanted.subscribe:
        subscription = {"subscribed": True, "ignored": False}
        await calls.write("PUT", f"{github.path}/subscription", subscription, key=f"subscribe.{github.key}")
    if workflow_access is not None:
        await calls.write(
            "PUT",
            f"{github.path}/actions/permissions/access",
            {"access_level": workflow_access},
            key=f"workflow.access.{github.key}",
        )
