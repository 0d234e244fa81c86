"""`github:issues:label`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0); a failure only warns."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, UnderstageError, action
from understage_actions._calls import Number
from understage_actions._github import RepoUrlText, TokenText, open_github


class LabelIssueInput(ActionModel):
    """The issue, and what to label it with."""

    repo_url: RepoUrlText
    number: Number = Field(description="Number of the issue or pull request")
    labels: list[str] = Field(description="Labels to add; those it has stay")
    token: TokenText = None


@action(
    "github:issues:label",
    description="Adds labels to an issue or a pull request on GitHub. What GitHub refuses is only logged.",
    examples=[
        Example(
            "Label the pull request of an earlier step",
            {"repoUrl": "github.com?repo=web&owner=acme", "number": 7, "labels": ["bug", "platform"]},
        )
    ],
    supports_dry_run=True,
)
async def label_issue(ctx: ActionContext, input: LabelIssueInput) -> None:
    """Add labels."""
    github = await open_github(ctx, input.repo_url, input.token)
    ctx.log.info(f"Adding labels to {input.number} issue on repo {github.repo}")
    try:
        await github.calls.write(
            "POST",
            f"{github.path}/issues/{input.number}/labels",
            {"labels": input.labels},
            key=f"github.issues.add.label.{github.key}.{input.number}",
        )
    except UnderstageError as error:
        ctx.log.warn(f"Failed: adding labels to issue: '{input.number}' on repo: '{github.repo}', {error.message}")
