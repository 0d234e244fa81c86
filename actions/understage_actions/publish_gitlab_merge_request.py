"""`publish:gitlab:merge-request`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import given
from understage_actions._files import read_files
from understage_actions._gitlab import PLANNED_ID, Gitlab, RepoUrlText, TokenText, fields, open_gitlab, project
from understage_actions._gitlab_commit import CommitAction, branch_path, changes, create_commit, find_default_branch
from understage_actions._gitlab_reviewers import add_reviewers_of_rules, find_people
from understage_actions._publishing import NO_COMMIT, source_folder


class MergeRequestInput(ActionModel):
    """The change, and the merge request for it."""

    repo_url: RepoUrlText
    title: str = Field(description="Title of the merge request, and message of its commit")
    description: str | None = Field(default=None, description="Text of the merge request, in Markdown")
    branch_name: str = Field(description="Branch that is made for the change")
    target_branch_name: str | None = Field(
        default=None, description="Branch to merge into; default: the project's default branch"
    )
    source_path: str | None = Field(
        default=None,
        description="Folder of the workspace whose files are taken; default: that of targetPath, else all of it; `.` for all",
    )
    target_path: str | None = Field(default=None, description="Folder of the project that they are written to")
    token: TokenText = None
    commit_action: CommitAction | None = Field(
        default=None, description="What is done with each file; auto (default): what is needed, by what is there"
    )
    projectid: str | None = Field(default=None, description="Not used: write `project` into repoUrl")
    remove_source_branch: bool | None = Field(default=None, description="Whether the branch goes when it is merged")
    assignee: str | None = Field(default=None, description="Name of the user whom it is assigned to")
    reviewers: list[str] | None = Field(default=None, description="Names of the users who are asked for a review")
    assign_reviewers_from_approval_rules: bool | None = Field(
        default=None, description="Whether those who may approve by a rule, CODEOWNERS among them, are asked, too"
    )
    labels: str | list[str] | None = Field(default=None, description="Labels; as a text with commas between them")
    auto_merge: bool | None = Field(default=None, description="Whether GitLab merges it when all checks have passed")


class MergeRequestOutput(ActionModel):
    """Where it is."""

    target_branch_name: str = Field(description="Branch to merge into")
    projectid: str = Field(description="Path of the project")
    project_path: str = Field(description="Path of the project")
    merge_request_url: str = Field(description="Page of the merge request")


@action(
    "publish:gitlab:merge-request",
    description="Commits files of the workspace to a new branch of a GitLab project, and opens a merge request for it.",
    examples=[
        Example(
            "Propose the workspace's files",
            {"repoUrl": "gitlab.com?repo=web&owner=acme", "title": "Add documentation", "branchName": "add-docs"},
        ),
        Example(
            "Change a folder, and ask for reviews",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "title": "Change values",
                "description": "Written by the scaffolder",
                "branchName": "new-values",
                "targetBranchName": "release",
                "sourcePath": "values",
                "targetPath": "deploy",
                "removeSourceBranch": True,
                "assignee": "ada",
                "reviewers": ["grace"],
                "labels": ["platform"],
                "autoMerge": True,
            },
        ),
        Example(
            "Open a merge request for a branch that is there",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "title": "Release",
                "branchName": "main",
                "targetBranchName": "release",
                "commitAction": "skip",
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_merge_request(ctx: ActionContext, input: MergeRequestInput) -> MergeRequestOutput:
    """Branch, commit, open, ask for reviews."""
    source = await source_folder(ctx, input.source_path or input.target_path if input.commit_action != "skip" else None)
    gitlab = await open_gitlab(ctx, input.repo_url, input.token, needs_repo=True)
    calls, path, branch = gitlab.calls, gitlab.project_path, input.branch_name
    assignees = await find_people(gitlab, [input.assignee] if input.assignee else [], "an assignee")
    reviewers = await find_people(gitlab, input.reviewers or [], "reviewer")
    target = input.target_branch_name or await find_default_branch(calls, path)
    if not target:
        raise InputError(
            "The branch creation failed. Target branch was not provided, and could not find default branch from project "
            f"settings. Project: {path}"
        )
    files = [] if input.commit_action == "skip" else await asyncio.to_thread(read_files, source, input.target_path)
    actions = await changes(calls, path, target, files, input.commit_action, below=input.target_path)
    await _make_branch(gitlab, path, branch, target, is_fresh=bool(actions))
    if actions:
        try:
            await create_commit(
                calls, path, branch, input.title, actions, files, key=f"commit.to.{path}.{branch}", planned=NO_COMMIT
            )
        except UnderstageError as error:
            raise InputError(
                f"Committing the changes to {branch} failed. Please check that none of the files created by the template "
                f"already exists. {error.message}"
            ) from error
    opened = await _open(gitlab, path, target, input, assignees, reviewers)
    if input.assign_reviewers_from_approval_rules:
        await add_reviewers_of_rules(gitlab, path, opened["iid"], reviewers)
    if input.auto_merge:
        await _merge_when_ready(gitlab, path, branch, opened["iid"])
    return MergeRequestOutput(
        target_branch_name=target, projectid=path, project_path=path, merge_request_url=opened["web_url"]
    )


async def _make_branch(gitlab: Gitlab, path: str, branch: str, target: str, *, is_fresh: bool) -> None:
    """Make the branch. One that is there is taken as it is where nothing is committed to it; else it is somebody's."""
    calls = gitlab.calls

    async def refuse_existing() -> None:
        found = await calls.find(branch_path(path, branch))
        if found is None:
            return
        text = f"The branch creation failed because the branch already exists at: {found.get('web_url')}."
        requests = await calls.find(f"{project(path)}/merge_requests", {"source_branch": branch})
        if requests:
            text += f" Additionally, there is a Merge Request for this branch: {requests[0].get('web_url')}"
        raise InputError(text)

    async def made_before() -> bool | None:
        return True if await calls.find(branch_path(path, branch)) is not None else None

    if not is_fresh and await made_before():
        calls.ctx.log.info(f"Using existing branch {branch} without modification.")
        return
    await _create_branch(gitlab, path, branch, target, refuse_existing, made_before)


async def _create_branch(gitlab: Gitlab, path: str, branch: str, target: str, check_first: Any, unless: Any) -> None:
    try:
        await gitlab.calls.write(
            "POST",
            f"{project(path)}/repository/branches",
            {"branch": branch, "ref": target},
            key=f"branch.create.{path}.{branch}",
            check_first=check_first,
            unless=unless,
        )
    except InputError as error:
        if error.message.startswith("The branch creation failed"):
            raise
        raise _uncreated(branch, error) from error
    except UnderstageError as error:
        raise _uncreated(branch, error) from error


def _uncreated(branch: str, error: UnderstageError) -> InputError:
    return InputError(
        "The branch creation failed. Please check that your repo does not already contain a branch named "
        f"'{branch}'. {error.message}"
    )


async def _open(
    gitlab: Gitlab, path: str, target: str, input: MergeRequestInput, assignees: list[int], reviewers: list[int]
) -> dict[str, Any]:
    requests = f"{project(path)}/merge_requests"
    branches = {"source_branch": input.branch_name, "target_branch": target}
    body = given(
        **branches,
        title=input.title,
        description=input.description,
        remove_source_branch=bool(input.remove_source_branch),
        assignee_id=assignees[0] if assignees else None,
        reviewer_ids=None if input.reviewers is None else reviewers,
        labels=",".join(input.labels) if isinstance(input.labels, list) else input.labels,
    )

    async def opened_before() -> dict[str, Any] | None:
        rows = await gitlab.calls.read(requests, {**branches, "state": "opened"})
        return fields(rows[0], "iid", "web_url") if rows else None

    url = f"{gitlab.web_url}/{path}/-/merge_requests/{PLANNED_ID}"
    try:
        opened: dict[str, Any] = await gitlab.calls.write(
            "POST", requests, body,
            key=f"create.mr.{path}.{input.branch_name}",
            keep=lambda answer: fields(answer, "iid", "web_url"),
            planned={"iid": PLANNED_ID, "web_url": url},
            unless=opened_before,
        )  # fmt: skip
    except UnderstageError as error:
        raise InputError(f"Merge request creation failed. {error.message}") from error
    return opened


async def _merge_when_ready(gitlab: Gitlab, path: str, branch: str, number: int) -> None:
    try:
        await gitlab.calls.write(
            "PUT",
            f"{project(path)}/merge_requests/{number}/merge",
            {"auto_merge": True},
            key=f"auto.merge.mr.{path}.{branch}",
        )
    except UnderstageError as error:
        raise InputError(f"Enabling auto-merge for merge request {number} failed. {error.message}") from error
