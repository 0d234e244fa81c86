"""`publish:gitlab`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import Calls, Number, given
from understage_actions._gitlab import Gitlab, RepoUrlText, TokenText, open_gitlab
from understage_actions._gitlab_project import (
    Branch,
    ProjectSettings,
    ProjectVariable,
    add_branch,
    add_variable,
    find_namespace,
    find_project,
    make_owner,
    make_project,
)
from understage_actions._publishing import author_of, message_of, push_folder, source_folder


class PublishGitlabInput(ActionModel):
    """The project to make, its first commit, and what belongs to it."""

    repo_url: RepoUrlText
    repo_visibility: Literal["private", "public", "internal"] = Field(
        default="private", description="Who may see it; better written as settings.visibility"
    )
    default_branch: str = Field(default="master", description="Branch that is pushed")
    git_commit_message: str | None = Field(
        default=None, description="Message of the commit; default: the configured one, else `initial commit`"
    )
    git_author_name: str | None = Field(
        default=None, description="Author of the commit; default: the configured one, else `Scaffolder`"
    )
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")
    sign_commit: bool | None = Field(default=None, description="Sign the commit; no key can be configured yet")
    source_path: str | bool | None = Field(
        default=None,
        description="Folder of the workspace that becomes the project's root; default: all of it; false: none",
    )
    skip_existing: bool = Field(default=False, description="Whether a project that is there is taken as it is")
    token: TokenText = None
    set_user_as_owner: bool = Field(
        default=False, description="Whether whom the token belongs to owns the project, by the configured token"
    )
    owner_username: str | None = Field(
        default=None, description="Name of a user who owns the project, by the configured token"
    )
    topics: list[str] | None = Field(default=None, description="Topics; better written as settings.topics")
    settings: ProjectSettings | None = Field(default=None, description="Settings of the project")
    branches: list[Branch] | None = Field(default=None, description="Branches beside the default one")
    project_variables: list[ProjectVariable] | None = Field(default=None, description="Variables for its pipelines")


class PublishGitlabOutput(ActionModel):
    """Where the project is."""

    remote_url: str = Field(description="The project, without .git")
    repo_contents_url: str = Field(description="The project's root at the branch, for people")
    project_id: Number = Field(description="Number of the project")
    commit_hash: str | None = Field(default=None, description="The commit that was pushed; missing where none was")
    created: bool = Field(description="Whether the project was made")


@action(
    "publish:gitlab",
    description="Makes a GitLab project, and pushes a folder of the workspace to it.",
    examples=[
        Example("Publish the workspace", {"repoUrl": "gitlab.com?repo=web&owner=acme"}),
        Example(
            "Publish a folder, with settings, branches and variables",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "sourcePath": "service",
                "defaultBranch": "main",
                "gitCommitMessage": "Begin",
                "gitAuthorName": "Ada",
                "gitAuthorEmail": "ada@example.org",
                "ownerUsername": "ada",
                "settings": {
                    "visibility": "internal",
                    "description": "A service",
                    "topics": ["go"],
                    "merge_method": "ff",
                },
                "branches": [{"name": "release", "create": True, "protect": True, "ref": "main"}],
                "projectVariables": [
                    {"key": "REGION", "value": "eu"},
                    {"key": "API_KEY", "value": "${{ secrets.API_KEY }}", "masked": True},
                ],
            },
        ),
        Example(
            "Make an empty project, if there is none",
            {"repoUrl": "gitlab.com?repo=web&owner=acme", "sourcePath": False, "skipExisting": True},
        ),
    ],
    supports_dry_run=True,
)
async def publish_gitlab(ctx: ActionContext, input: PublishGitlabInput) -> PublishGitlabOutput:
    """Create, push, and what belongs to it."""
    folder = await _folder(ctx, input.source_path)
    gitlab = await open_gitlab(ctx, input.repo_url, input.token, needs_repo=True)
    target = gitlab.target
    if not target.owner:
        raise InputError(f"No owner provided for host: {target.host}, and repo {target.repo}")
    _check_owners(ctx, input, target.host)
    if input.sign_commit:
        raise InputError("Signing commits is enabled but no signing key is provided in the configuration")
    namespace = await find_namespace(gitlab)
    settings = {} if input.settings is None else input.settings.model_dump(exclude_none=True)
    path = f"{target.owner}/{settings.get('path', target.repo)}"
    if input.skip_existing and (found := await _found_before(gitlab, f"{target.owner}/{target.repo}")):
        return found
    body: dict[str, Any] = {"name": target.repo, "path": target.repo, "visibility": input.repo_visibility}
    body |= {"topics": input.topics} if input.topics else {}
    made = await make_project(gitlab, namespace, path, {**body, **settings})
    await _add_owners(ctx, gitlab, path, input)
    commit = None
    if folder is not None:
        commit = await push_folder(
            ctx, folder, made["http_url_to_repo"],
            branch=input.default_branch,
            message=message_of(ctx, input.git_commit_message),
            author=author_of(ctx, input.git_author_name, input.git_author_email),
            credentials=gitlab.calls.api.credentials,
            key=f"push.gitlab.{path}",
        )  # fmt: skip
        for branch in input.branches or []:
            await add_branch(gitlab.calls, path, branch)
    for variable in input.project_variables or []:
        await add_variable(gitlab.calls, path, variable)
    return _output(made, input.default_branch, commit, created=True)


async def _folder(ctx: ActionContext, source: str | bool | None) -> Path | None:
    if source is False:
        return None
    return await source_folder(ctx, source if isinstance(source, str) else None)


def _check_owners(ctx: ActionContext, input: PublishGitlabInput, host: str) -> None:
    if (input.set_user_as_owner or input.owner_username) and host in ctx.defaults.get("userCredentialsHosts", ()):
        raise InputError(
            "The setUserAsOwner and ownerUsername inputs cannot be used when scaffolder.requireScmUserCredentials is enabled "
            "because they require credentials from the GitLab integration"
        )


async def _found_before(gitlab: Gitlab, path: str) -> PublishGitlabOutput | None:
    """The project that is there, unless an earlier run of this very step has begun to make it."""
    calls = gitlab.calls
    found = await find_project(calls, path)
    if found is None or await calls.has_begun(f"create.project.{path}"):
        return None
    calls.ctx.log.info(f"Repo {gitlab.target.repo} already exists in namespace {gitlab.target.owner}.")
    return _output(found, str(found["default_branch"]), None, created=False)


async def _add_owners(ctx: ActionContext, gitlab: Gitlab, path: str, input: PublishGitlabInput) -> None:
    if not input.set_user_as_owner and not input.owner_username:
        return
    host = gitlab.target.host
    try:
        admin = Calls(ctx, await ctx.ports.apis.get("gitlab", host))
    except InputError:
        ctx.log.warn(f"There is no token for {host} under integrations.gitlab: nobody is made an owner of {path}")
        return
    if input.set_user_as_owner:
        await make_owner(admin, path, int((await gitlab.calls.read("/user"))["id"]))
    name = input.owner_username
    if not name:
        return
    try:
        rows = await admin.read("/users", {"username": name})
        if rows:
            await make_owner(admin, path, int(rows[0]["id"]))
            return
        ctx.log.warn(f"Could not find GitLab user with username '{name}'. Skipping owner assignment.")
    except UnderstageError as error:
        ctx.log.warn(f"Failed to add user '{name}' as owner: {error.message}. Proceeding without owner assignment.")


def _output(made: dict[str, Any], branch: str, commit: str | None, *, created: bool) -> PublishGitlabOutput:
    url = str(made["http_url_to_repo"]).removesuffix(".git")
    return PublishGitlabOutput(
        remote_url=url,
        repo_contents_url=f"{url}/-/blob/{branch}",
        project_id=made["id"],
        created=created,
        **given(commit_hash=commit),
    )
