"""`gitlab:issues:create`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

import hashlib
from typing import Annotated, Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import Number, given
from understage_actions._gitlab import (
    PLANNED_ID,
    AtLeastZero,
    Gitlab,
    RepoUrlText,
    TokenText,
    fields,
    open_gitlab,
    project,
)
from understage_actions._gitlab_issues import DateTime, IssueText, IssueType, iso_date, scoped_epic

_PLACE = ("id", "iid", "web_url")


class CreateGitlabIssueInput(ActionModel):
    """The issue."""

    repo_url: RepoUrlText
    token: TokenText = None
    project_id: Number | Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Number of the project, or its path with the group's; default: that of repoUrl"
    )
    title: str = Field(description="Title of the issue")
    assignees: list[Number] | None = Field(default=None, description="Numbers of the users it is assigned to")
    confidential: bool | None = Field(default=None, description="Whether only members may see it")
    description: IssueText | None = Field(default=None, description="Text of the issue, in Markdown")
    created_at: DateTime | None = Field(
        default=None, description="When it was made, for administrators and owners; default: now"
    )
    due_date: DateTime | None = Field(default=None, description="When it is due")
    discussion_to_resolve: str | None = Field(
        default=None, description="Discussion of the merge request that it resolves"
    )
    epic_id: AtLeastZero | None = Field(default=None, description="Number of the epic it belongs to")
    labels: str | None = Field(default=None, description="Labels, with commas between them")
    issue_type: IssueType | None = Field(default=None, description="What it is")
    merge_request_to_resolve_discussions_of: Number | None = Field(
        default=None, description="Number of a merge request in its project, all discussions of which it resolves"
    )
    milestone_id: Number | None = Field(default=None, description="Number of the milestone it belongs to")
    weight: AtLeastZero | None = Field(default=None, description="Its weight")


class CreateGitlabIssueOutput(ActionModel):
    """Where it is."""

    issue_url: str = Field(description="Page of the issue")
    issue_id: Number = Field(description="Number of the issue in GitLab")
    issue_iid: Number = Field(description="Number of the issue in its project")


@action(
    "gitlab:issues:create",
    description="Opens an issue in a GitLab project.",
    examples=[
        Example("Open an issue", {"repoUrl": "gitlab.com?repo=web&owner=acme", "title": "Set up alerts"}),
        Example(
            "Open a task that is due",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": 12,
                "title": "Set up alerts",
                "description": "By the runbook",
                "assignees": [5],
                "dueDate": "2026-12-24T12:00:00Z",
                "labels": "platform,alerts",
                "issueType": "task",
                "weight": 2,
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_issue(ctx: ActionContext, input: CreateGitlabIssueInput) -> CreateGitlabIssueOutput:
    """Open an issue."""
    try:
        gitlab = await open_gitlab(ctx, input.repo_url, input.token, needs_repo=input.project_id is None)
        target = gitlab.project_path if input.project_id is None else input.project_id
        issue = await _create(gitlab, target, input)
    except UnderstageError as error:
        raise InputError(f"Failed to create GitLab issue: {error.message}") from error
    return CreateGitlabIssueOutput(issue_url=issue["web_url"], issue_id=issue["id"], issue_iid=issue["iid"])


async def _create(gitlab: Gitlab, target: int | str, input: CreateGitlabIssueInput) -> dict[str, Any]:
    path = f"{project(target)}/issues"
    body = given(
        title=input.title,
        description=input.description or "",
        assignee_ids=input.assignees or [],
        confidential=bool(input.confidential),
        epic_id=await scoped_epic(gitlab.calls, target, input.epic_id),
        labels=input.labels or "",
        created_at=iso_date(input.created_at),
        due_date=iso_date(input.due_date),
        discussion_to_resolve=input.discussion_to_resolve,
        issue_type=input.issue_type,
        merge_request_to_resolve_discussions_of=input.merge_request_to_resolve_discussions_of,
        milestone_id=input.milestone_id,
        weight=input.weight,
    )

    async def opened_before() -> dict[str, Any] | None:
        query: dict[str, str | int] = {
            "search": input.title,
            "in": "title",
            "state": "opened",
            "order_by": "created_at",
            "per_page": 100,
        }
        rows = await gitlab.calls.read(path, query)
        return next((fields(row, *_PLACE) for row in rows if row.get("title") == input.title), None)

    digest = hashlib.sha256(f"{gitlab.target.host}\0{target}\0{input.title}".encode()).hexdigest()
    page = f"{gitlab.web_url}/{target}/-/issues/{PLANNED_ID}"
    issue: dict[str, Any] = await gitlab.calls.write(
        "POST", path, body,
        key=f"issue.{digest}",
        keep=lambda answer: fields(answer, *_PLACE),
        planned={"id": PLANNED_ID, "iid": PLANNED_ID, "web_url": page},
        unless=opened_before,
    )  # fmt: skip
    return issue
