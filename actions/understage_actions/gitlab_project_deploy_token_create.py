"""`gitlab:projectDeployToken:create`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

GitLab tells a token once. Where a worker dies in the moment before it is kept, a second one is made, and the first stays.
"""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, ForeignError, InputError, action
from understage_actions._calls import HIDDEN, given
from understage_actions._gitlab import HostText, ProjectId, TokenText, open_gitlab, project


class CreateDeployTokenInput(ActionModel):
    """The token."""

    repo_url: HostText
    token: TokenText = None
    project_id: ProjectId
    name: str = Field(description="Name of the token")
    username: str | None = Field(
        default=None, description="User name to sign in with; default: gitlab+deploy-token-<number>"
    )
    scopes: list[str] = Field(description="What it may be used for, such as read_repository")


class CreateDeployTokenOutput(ActionModel):
    """The token, and the user name that goes with it."""

    deploy_token: str = Field(alias="deploy_token", description="The token; a secret from then on")
    user: str = Field(description="User name to sign in with")


@action(
    "gitlab:projectDeployToken:create",
    description="Makes a deploy token for a GitLab project.",
    examples=[
        Example(
            "Make a token that may read",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": 12,
                "name": "cluster",
                "username": "cluster",
                "scopes": ["read_repository", "read_registry"],
            },
        )
    ],
    supports_dry_run=True,
)
async def create_deploy_token(ctx: ActionContext, input: CreateDeployTokenInput) -> CreateDeployTokenOutput:
    """Create a token."""
    ctx.log.info(f'Creating Token for Project "{input.project_id}"')
    if not input.scopes:
        raise InputError(f'Could not create token for project "{input.project_id}": scopes cannot be empty.')
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)

    def keep(answer: dict[str, Any]) -> dict[str, Any]:
        if not answer.get("token"):
            raise ForeignError("No deploy_token given from gitlab instance")
        return {"token": ctx.hide(answer["token"]), "username": answer.get("username")}

    made = await gitlab.calls.write(
        "POST",
        f"{project(input.project_id)}/deploy_tokens",
        given(name=input.name, scopes=input.scopes, username=input.username),
        key=f"create.deploy.token.{input.project_id}.{input.name}",
        keep=keep,
        planned={"token": HIDDEN, "username": input.username or "gitlab+deploy-token"},
    )
    token = made["token"] if ctx.is_dry_run else ctx.hide(made["token"])
    return CreateDeployTokenOutput(deploy_token=token, user=made["username"])
