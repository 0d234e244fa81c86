"""`publish:github:pull-request`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

import asyncio

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, GitAuthor, UnderstageError, action
from understage_actions._calls import Number, given
from understage_actions._files import place, read_files
from understage_actions._github import Github, RepoUrlText, TokenText, open_github
from understage_actions._github_pull_request import Proposal, propose
from understage_actions._publishing import author_of, message_of, source_folder

ASSIGNEES_LIMIT = 10
"""GitHub takes no more for one pull request."""


class GithubPullRequestInput(ActionModel):
    """The change, and the pull request for it."""

    repo_url: RepoUrlText
    branch_name: str = Field(description="Branch that is made for the change; one of that name is moved")
    files_to_delete: list[str] | None = Field(
        default=None, description="Files of the repository to delete, relative to targetPath"
    )
    target_branch_name: str | None = Field(
        default=None, description="Branch to merge into; default: the repository's default branch"
    )
    title: str = Field(description="Title of the pull request")
    description: str = Field(description="Text of the pull request, in Markdown")
    draft: bool | None = Field(default=None, description="Whether it is opened as a draft")
    source_path: str | None = Field(
        default=None, description="Folder of the workspace whose files are taken; default: all of it"
    )
    target_path: str | None = Field(default=None, description="Folder of the repository that they are written to")
    token: TokenText = None
    reviewers: list[str] | None = Field(default=None, description="Logins of those who are asked for a review")
    assignees: list[str] | None = Field(default=None, description="Logins of those it is assigned to, ten at most")
    team_reviewers: list[str] | None = Field(default=None, description="Slugs of teams that are asked for a review")
    commit_message: str | None = Field(
        default=None, description="Message of the commit; default: the configured one, else the title"
    )
    update: bool | None = Field(default=None, description="Whether an open pull request of the branch is updated")
    force_fork: bool | None = Field(default=None, description="Whether the branch is made in a fork in any case")
    git_author_name: str | None = Field(default=None, description="Author of the commit; default: the configured one")
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")
    force_empty_git_author: bool | None = Field(
        default=None, description="Name no author: GitHub verifies commits that an app makes so"
    )
    create_when_empty: bool | None = Field(
        default=None, description="Whether a pull request is opened when nothing changes (default: true)"
    )


class GithubPullRequestOutput(ActionModel):
    """The pull request; nothing when nothing changed and none was wanted then."""

    target_branch_name: str | None = Field(default=None, description="Branch to merge into")
    remote_url: str | None = Field(default=None, description="Page of the pull request")
    pull_request_number: Number | None = Field(default=None, description="Number of the pull request")


@action(
    "publish:github:pull-request",
    description="Writes files of the workspace to a branch of a GitHub repository, and opens a pull request for it.",
    examples=[
        Example(
            "Propose the workspace's files",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "branchName": "add-docs",
                "title": "Add documentation",
                "description": "Written by the scaffolder",
            },
        ),
        Example(
            "Replace a folder, and ask for reviews",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "branchName": "new-values",
                "targetBranchName": "release",
                "title": "Change values",
                "description": "Written by the scaffolder",
                "sourcePath": "values",
                "targetPath": "deploy",
                "filesToDelete": ["old.yaml"],
                "draft": True,
                "reviewers": ["ada"],
                "teamReviewers": ["platform"],
                "assignees": ["grace"],
                "commitMessage": "Change values",
                "gitAuthorName": "Ada",
                "gitAuthorEmail": "ada@example.org",
            },
        ),
        Example(
            "Update the pull request of an earlier run, if anything changed",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "branchName": "sync",
                "title": "Sync",
                "description": "Written by the scaffolder",
                "update": True,
                "createWhenEmpty": False,
                "forceEmptyGitAuthor": True,
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_github_pull_request(ctx: ActionContext, input: GithubPullRequestInput) -> GithubPullRequestOutput:
    """Commit, open, ask for reviews."""
    source = await source_folder(ctx, input.source_path)
    github = await open_github(
        ctx, input.repo_url, input.token, no_owner=f"No owner provided for repo {input.repo_url}"
    )
    proposal = Proposal(
        branch=input.branch_name,
        base=input.target_branch_name,
        title=input.title,
        body=input.description,
        message=message_of(ctx, input.commit_message, input.title),
        files=await asyncio.to_thread(read_files, source, input.target_path),
        deletions=[place(path, input.target_path) for path in input.files_to_delete or []],
        author=_author(ctx, input),
        draft=bool(input.draft),
        update=bool(input.update),
        force_fork=bool(input.force_fork),
        when_empty=input.create_when_empty is not False,
    )
    try:
        opened = await propose(github, proposal)
    except UnderstageError as error:
        raise type(error)(f"Pull request creation failed; caused by {error.name}: {error.message}") from error
    if opened is None:
        ctx.log.info("No changes to commit, pull request was not created")
        return GithubPullRequestOutput()
    await _ask_reviewers(github, opened["number"], input)
    await _assign(github, opened["number"], input.assignees)
    return GithubPullRequestOutput(
        target_branch_name=opened["base"], remote_url=opened["html_url"], pull_request_number=opened["number"]
    )


def _author(ctx: ActionContext, input: GithubPullRequestInput) -> GitAuthor | None:
    """None leaves it to GitHub, which takes whom the token belongs to."""
    configured = ctx.defaults.get("defaultAuthor") or {}
    is_named = input.git_author_name or input.git_author_email or configured.get("name") or configured.get("email")
    if input.force_empty_git_author or not is_named:
        return None
    return author_of(ctx, input.git_author_name, input.git_author_email)


async def _ask_reviewers(github: Github, number: int, input: GithubPullRequestInput) -> None:
    if not input.reviewers and not input.team_reviewers:
        return
    teams = None if input.team_reviewers is None else list(dict.fromkeys(input.team_reviewers))
    try:
        await github.calls.write(
            "POST",
            f"{github.path}/pulls/{number}/requested_reviewers",
            given(reviewers=input.reviewers, team_reviewers=teams),
            key=f"request.reviewers.{github.key}.{number}",
        )
    except UnderstageError as error:
        github.calls.ctx.log.error(f"Failure when adding reviewers to Pull request {number}: {error.message}")


async def _assign(github: Github, number: int, assignees: list[str] | None) -> None:
    if not assignees:
        return
    if len(assignees) > ASSIGNEES_LIMIT:
        github.calls.ctx.log.warn("Assignees list is too long, only the first 10 will be used.")
    try:
        await github.calls.write(
            "POST",
            f"{github.path}/issues/{number}/assignees",
            {"assignees": assignees[:ASSIGNEES_LIMIT]},
            key=f"add.assignees.{github.key}.{number}",
        )
    except UnderstageError as error:
        github.calls.ctx.log.error(f"Failure when adding assignees to Pull request {number}: {error.message}")
