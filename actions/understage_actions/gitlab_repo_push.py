"""`gitlab:repo:push`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

A branch that is made for the push is compared with the branch it is made from, so that files which are there are updated; the
stock action would create them, which GitLab refuses.
"""

import asyncio
from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._files import read_files
from understage_actions._gitlab import Gitlab, RepoUrlText, TokenText, open_gitlab, project
from understage_actions._gitlab_commit import branch_path, changes, create_commit, find_default_branch
from understage_actions._publishing import NO_COMMIT, source_folder

_MAY = "Please make sure that branch already exists or Backstage has permissions to create one."


class PushInput(ActionModel):
    """The files, and the branch."""

    repo_url: RepoUrlText
    branch_name: str = Field(description="Branch of the commit; made from the default branch when there is none")
    commit_message: str = Field(description="Message of the commit")
    source_path: str | None = Field(
        default=None, description="Folder of the workspace whose files are taken; default: all of it"
    )
    target_path: str | None = Field(default=None, description="Folder of the project that they are written to")
    token: TokenText = None
    commit_action: Literal["create", "update", "delete", "auto"] | None = Field(
        default=None, description="What is done with each file; auto (default): what is needed, by what is there"
    )
    allow_empty: bool | None = Field(default=None, description="Whether to commit when nothing changes")


class PushOutput(ActionModel):
    """Where it went."""

    projectid: str = Field(description="Path of the project")
    project_path: str = Field(description="Path of the project")
    commit_hash: str | None = Field(default=None, description="The commit; missing when nothing was to be committed")


@action(
    "gitlab:repo:push",
    description="Commits files of the workspace to a branch of a GitLab project.",
    examples=[
        Example(
            "Commit the workspace",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "branchName": "main",
                "commitMessage": "Add documentation",
            },
        ),
        Example(
            "Commit a folder to a new branch",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "branchName": "new-values",
                "commitMessage": "Change values",
                "sourcePath": "values",
                "targetPath": "deploy",
                "commitAction": "create",
            },
        ),
    ],
    supports_dry_run=True,
)
async def push(ctx: ActionContext, input: PushInput) -> PushOutput:
    """Find or make the branch, compare, commit."""
    source = await source_folder(ctx, input.source_path)
    gitlab = await open_gitlab(ctx, input.repo_url, input.token, needs_repo=True)
    path, branch = gitlab.project_path, input.branch_name
    files = await asyncio.to_thread(read_files, source, input.target_path)
    base = await _ensure_branch(gitlab, path, branch)
    actions = await changes(gitlab.calls, path, base, files, input.commit_action, below=input.target_path)
    key = f"commit.create.{path}.{branch}"
    if not actions and not input.allow_empty and not await gitlab.calls.has_begun(key):
        ctx.log.warn(
            f"No file changes to commit to {path} on branch '{branch}'; skipping commit. Set 'allowEmpty: true' to create "
            "an empty commit."
        )
        return PushOutput(projectid=path, project_path=path)
    try:
        commit = await create_commit(
            gitlab.calls, path, branch, input.commit_message, actions, files,
            key=key, planned=NO_COMMIT, allow_empty=input.allow_empty,
        )  # fmt: skip
    except UnderstageError as error:
        advice = "Please verify that all files you're trying to modify exist in the repository."
        if input.commit_action == "create":
            advice = "Please check that none of the files created by the template already exists."
        raise InputError(f"Committing the changes to {branch} failed. {advice} {error.message}") from error
    return PushOutput(projectid=path, project_path=path, commit_hash=commit)


async def _ensure_branch(gitlab: Gitlab, path: str, branch: str) -> str:
    """The branch to compare with: `branch`, or in a dry run the one that it would be made from."""
    calls = gitlab.calls
    try:
        found = await calls.find(branch_path(path, branch))
    except UnderstageError as error:
        raise InputError(f"Failed to check status of branch '{branch}'. {_MAY} {error.message}") from error
    if found is not None:
        return branch
    try:
        base = await find_default_branch(calls, path) or "main"
        await calls.write(
            "POST",
            f"{project(path)}/repository/branches",
            {"branch": branch, "ref": base},
            key=f"branch.create.{path}.{branch}",
        )
    except UnderstageError as error:
        raise InputError(
            f"The branch '{branch}' was not found and creation failed with error. {_MAY} {error.message}"
        ) from error
    return base
