"""`github:issues:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, UnderstageError, action
from understage_actions._calls import Number, given
from understage_actions._github import Github, RepoUrlText, TokenText, open_github

PLANNED_NUMBER = 42
"""The number of an issue that a dry run tells of, as the stock action's."""


class CreateIssueInput(ActionModel):
    """The issue."""

    repo_url: RepoUrlText
    title: str = Field(description="Title of the issue")
    body: str | None = Field(default=None, description="Text of the issue, in Markdown")
    assignees: list[str] | None = Field(default=None, description="Logins of those it is assigned to")
    milestone: str | Number | None = Field(default=None, description="Number of the milestone it belongs to")
    labels: list[str] | None = Field(default=None, description="Labels of the issue")
    token: TokenText = None


class CreateIssueOutput(ActionModel):
    """Where it is."""

    issue_url: str = Field(description="Page of the issue")
    issue_number: Number = Field(description="Number of the issue")


@action(
    "github:issues:create",
    description="Opens an issue in a GitHub repository.",
    examples=[
        Example("Open an issue", {"repoUrl": "github.com?repo=web&owner=acme", "title": "Review the new service"}),
        Example(
            "Assign and label it",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "title": "Review the new service",
                "body": "It was made by the scaffolder.",
                "assignees": ["ada"],
                "labels": ["review"],
                "milestone": 1,
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_issue(ctx: ActionContext, input: CreateIssueInput) -> CreateIssueOutput:
    """Open an issue."""
    github = await open_github(ctx, input.repo_url, input.token)
    ctx.log.info(f'Creating issue "{input.title}" on repo {github.repo}')

    async def opened_before() -> dict[str, Any] | None:
        return await _find(github, input.title)

    body = given(
        title=input.title, body=input.body, assignees=input.assignees, milestone=input.milestone, labels=input.labels
    )
    try:
        issue = await github.calls.write(
            "POST",
            f"{github.path}/issues",
            body,
            key=f"github.issues.create.{github.key}.{input.title}",
            keep=_place,
            planned={"html_url": f"{github.web_url}/issues/{PLANNED_NUMBER}", "number": PLANNED_NUMBER},
            unless=opened_before,
        )
    except UnderstageError as error:
        ctx.log.warn(f"Failed: creating issue '{input.title}' on repo: '{github.repo}', {error.message}")
        raise
    if not ctx.is_dry_run:
        ctx.log.info(f"Successfully created issue #{issue['number']}: {issue['html_url']}")
    return CreateIssueOutput(issue_url=issue["html_url"], issue_number=issue["number"])


def _place(issue: dict[str, Any]) -> dict[str, Any]:
    return {"html_url": issue["html_url"], "number": issue["number"]}


async def _find(github: Github, title: str) -> dict[str, Any] | None:
    """The newest of our open issues with that title: an earlier run of the step had opened it."""
    query: dict[str, str | int] = {"state": "open", "sort": "created", "direction": "desc", "per_page": 100}
    for issue in await github.calls.read(f"{github.path}/issues", query):
        if issue.get("title") == title and "pull_request" not in issue:
            return _place(issue)
    return None
