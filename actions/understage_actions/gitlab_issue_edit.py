"""`gitlab:issue:edit`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

As there, what the input leaves out of `assignees`, `confidential` and `discussionLocked` is taken away from the issue.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import Number, given
from understage_actions._gitlab import (
    PLANNED_ID,
    AtLeastZero,
    Gitlab,
    HostText,
    TokenText,
    fields,
    open_gitlab,
    project,
)
from understage_actions._gitlab_issues import DateTime, IssueText, IssueType, iso_date, scoped_epic

_KEPT = ("id", "iid", "project_id", "web_url", "state", "title", "updated_at")


class EditIssueInput(ActionModel):
    """The issue, and what changes."""

    repo_url: HostText
    token: TokenText = None
    project_id: Number = Field(description="Number of the project")
    issue_iid: Number = Field(description="Number of the issue in its project")
    add_labels: str | None = Field(default=None, description="Labels to add, with commas between them")
    assignees: list[Number] | None = Field(
        default=None, description="Numbers of the users it is assigned to; default: nobody"
    )
    confidential: bool | None = Field(default=None, description="Whether only members may see it (default: false)")
    description: IssueText | None = Field(default=None, description="Text of the issue, in Markdown")
    discussion_locked: bool | None = Field(
        default=None, description="Whether only members may write to its discussion (default: false)"
    )
    due_date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = Field(
        default=None, description="Day on which it is due, such as 2026-12-24"
    )
    epic_id: AtLeastZero | None = Field(default=None, description="Number of the epic it belongs to")
    issue_type: IssueType | None = Field(default=None, description="What it is")
    labels: str | None = Field(default=None, description="All its labels, with commas between them; empty: none")
    milestone_id: Number | None = Field(default=None, description="Number of the milestone it belongs to; 0: none")
    remove_labels: str | None = Field(default=None, description="Labels to remove, with commas between them")
    state_event: Literal["close", "reopen"] | None = Field(default=None, description="Whether it is closed or reopened")
    title: str | None = Field(default=None, description="Title of the issue")
    updated_at: DateTime | None = Field(
        default=None, description="When it was changed, for administrators and owners; default: now"
    )
    weight: (
        Annotated[int, Field(ge=0, le=10), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10})] | None
    ) = Field(default=None, description="Its weight")


class EditIssueOutput(ActionModel):
    """The issue as it is from now on."""

    issue_url: str = Field(description="Page of the issue")
    project_id: Number = Field(description="Number of the project")
    issue_id: Number = Field(description="Number of the issue in GitLab")
    issue_iid: Number = Field(description="Number of the issue in its project")
    state: str = Field(description="Whether it is opened or closed")
    title: str = Field(description="Title of the issue")
    updated_at: str = Field(description="When it was changed")


@action(
    "gitlab:issue:edit",
    description="Changes an issue of a GitLab project.",
    examples=[
        Example("Close an issue", {"repoUrl": "gitlab.com", "projectId": 12, "issueIid": 3, "stateEvent": "close"}),
        Example(
            "Change title, labels and assignee",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": 12,
                "issueIid": 3,
                "title": "Set up alerts",
                "addLabels": "platform",
                "removeLabels": "triage",
                "assignees": [5],
                "dueDate": "2026-12-24",
                "weight": 2,
            },
        ),
    ],
    supports_dry_run=True,
)
async def edit_issue(ctx: ActionContext, input: EditIssueInput) -> EditIssueOutput:
    """Change an issue."""
    try:
        gitlab = await open_gitlab(ctx, input.repo_url, input.token)
        issue = await _edit(gitlab, input)
    except UnderstageError as error:
        raise InputError(f"Failed to edit/modify GitLab issue: {error.message}") from error
    return EditIssueOutput(
        issue_url=issue["web_url"],
        project_id=issue["project_id"],
        issue_id=issue["id"],
        issue_iid=issue["iid"],
        state=issue["state"],
        title=issue["title"],
        updated_at=issue["updated_at"],
    )


async def _edit(gitlab: Gitlab, input: EditIssueInput) -> dict[str, Any]:
    path = f"{project(input.project_id)}/issues/{input.issue_iid}"
    body = given(
        add_labels=input.add_labels,
        assignee_ids=input.assignees or [],
        confidential=bool(input.confidential),
        description=input.description,
        discussion_locked=bool(input.discussion_locked),
        due_date=input.due_date,
        epic_id=await scoped_epic(gitlab.calls, input.project_id, input.epic_id),
        issue_type=input.issue_type,
        labels=input.labels,
        milestone_id=input.milestone_id,
        remove_labels=input.remove_labels,
        state_event=input.state_event,
        title=input.title,
        updated_at=iso_date(input.updated_at),
        weight=input.weight,
    )
    edited: dict[str, Any] = await gitlab.calls.write(
        "PUT",
        path,
        body,
        key=f"issue.edit.{input.project_id}.{input.issue_iid}",
        keep=lambda answer: fields(answer, *_KEPT),
        planned=await _planned(gitlab, path, input) if gitlab.calls.ctx.is_dry_run else None,
    )
    return edited


async def _planned(gitlab: Gitlab, path: str, input: EditIssueInput) -> dict[str, Any]:
    """The issue as it would be told of; of one that an earlier step would open, as far as it is known."""
    there = await gitlab.calls.find(path) or {
        "id": PLANNED_ID, "iid": input.issue_iid, "project_id": input.project_id, "title": "", "state": "opened",
        "web_url": f"{gitlab.web_url}{path}", "updated_at": "1970-01-01T00:00:00.000Z",
    }  # fmt: skip
    state = {"close": "closed", "reopen": "opened", None: there["state"]}[input.state_event]
    return {**fields(there, *_KEPT), "state": state, "title": input.title or there["title"]}
