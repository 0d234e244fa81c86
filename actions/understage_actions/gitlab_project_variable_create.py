"""`gitlab:projectVariable:create`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

from typing import Annotated

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._gitlab import HostText, ProjectId, TokenText, open_gitlab
from understage_actions._gitlab_variables import create_variable


class CreateVariableInput(ActionModel):
    """The variable."""

    repo_url: HostText
    token: TokenText = None
    project_id: ProjectId
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,255}$")] = Field(description="Name of the variable")
    value: str = Field(description="Value of the variable")
    variable_type: str = Field(description="env_var, or file: jobs find a file with the value")
    variable_protected: bool = Field(default=False, description="Whether only protected branches and tags have it")
    masked: bool = Field(default=False, description="Whether logs of jobs do not show it")
    masked_and_hidden: bool = Field(default=False, description="Whether the settings do not show it either")
    raw: bool = Field(default=False, description="Whether `$` in the value means itself")
    environment_scope: str = Field(default="*", description="Environments that have it")


@action(
    "gitlab:projectVariable:create",
    description="Makes a variable for the pipelines of a GitLab project.",
    examples=[
        Example(
            "Make a variable",
            {"repoUrl": "gitlab.com", "projectId": 12, "key": "REGION", "value": "eu", "variableType": "env_var"},
        ),
        Example(
            "Keep a secret for one environment",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": "acme/web",
                "key": "API_KEY",
                "value": "${{ secrets.API_KEY }}",
                "variableType": "env_var",
                "variableProtected": True,
                "masked": True,
                "raw": True,
                "environmentScope": "production",
            },
        ),
    ],
    supports_dry_run=True,
)
async def create(ctx: ActionContext, input: CreateVariableInput) -> None:
    """Create a variable."""
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)
    variable = {
        "key": input.key,
        "value": input.value,
        "variable_type": input.variable_type,
        "protected": input.variable_protected,
        "masked": input.masked,
        "masked_and_hidden": input.masked_and_hidden,
        "raw": input.raw,
        "environment_scope": input.environment_scope,
    }
    await create_variable(gitlab.calls, input.project_id, variable)
