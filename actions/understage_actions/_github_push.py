"""Pushing a folder to GitHub as the first commit of a branch, and protecting the branch. Called by the publish actions."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionModel, UnderstageError
from understage_actions._github import Github
from understage_actions._github_protection import ProtectionRules, protect_branch
from understage_actions._publishing import author_of, message_of, push_folder, source_folder


class PushSettings(ProtectionRules):
    """The commit, and the branch."""

    default_branch: str = Field(default="main", description="Branch that is pushed")
    protect_default_branch: bool = Field(default=True, description="Whether the branch is protected afterwards")
    protect_enforce_admins: bool = Field(default=True, description="The protection holds for administrators, too")
    git_commit_message: str | None = Field(
        default=None, description="Message of the commit; default: the configured one, else `initial commit`"
    )
    git_author_name: str | None = Field(
        default=None, description="Author of the commit; default: the configured one, else `Scaffolder`"
    )
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")
    source_path: str | None = Field(
        default=None, description="Folder of the workspace that becomes the repository's root; default: all of it"
    )


class PublishedOutput(ActionModel):
    """Where the repository is."""

    remote_url: str = Field(description="The repository, for git")
    repo_contents_url: str = Field(description="The repository's root at the branch, for people")
    commit_hash: str = Field(description="The commit that was pushed")


async def push_and_protect(github: Github, repository: dict[str, Any], wanted: PushSettings) -> PublishedOutput:
    """Push, then protect; a protection that GitHub refuses is only logged."""
    ctx = github.calls.ctx
    branch = wanted.default_branch
    commit = await push_folder(
        ctx,
        await source_folder(ctx, wanted.source_path),
        repository["clone_url"],
        branch=branch,
        message=message_of(ctx, wanted.git_commit_message),
        author=author_of(ctx, wanted.git_author_name, wanted.git_author_email),
        credentials=github.calls.api.credentials,
        key=f"init.repo.publish.{github.key}",
    )
    if wanted.protect_default_branch:
        try:
            await protect_branch(github, branch, wanted, for_admins=wanted.protect_enforce_admins)
        except UnderstageError as error:
            ctx.log.warn(f"Skipping: default branch protection on '{github.repo}', {error.message}")
    return PublishedOutput(
        remote_url=repository["clone_url"],
        repo_contents_url=f"{repository['html_url']}/blob/{branch}",
        commit_hash=commit,
    )
