"""`gitlab:projectAccessToken:create`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

GitLab tells a token once. Where a worker dies in the moment before it is kept, a second one is made, and the first stays until
it expires.
"""

from datetime import UTC, datetime, timedelta

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, ForeignError, action
from understage_actions._calls import HIDDEN, Number
from understage_actions._gitlab import HostText, ProjectId, TokenText, open_gitlab, project

LIFETIME = timedelta(days=365)


class CreateAccessTokenInput(ActionModel):
    """The token."""

    project_id: ProjectId
    token: TokenText = None
    name: str = Field(default="tokenname", description="Name of the token")
    repo_url: HostText
    access_level: Number = Field(
        default=40, description="What it may do: 10 guest, 20 reporter, 30 developer, 40 maintainer, 50 owner"
    )
    scopes: list[str] | None = Field(default=None, description="What it may be used for (default: read_repository)")
    expires_at: str | None = Field(
        default=None, description="Day on which it expires, such as 2026-12-24; default: in 365 days"
    )


class CreateAccessTokenOutput(ActionModel):
    """The token."""

    access_token: str = Field(alias="access_token", description="The token; a secret from then on")


@action(
    "gitlab:projectAccessToken:create",
    description="Makes an access token for a GitLab project.",
    examples=[
        Example("Make a token", {"repoUrl": "gitlab.com", "projectId": 12}),
        Example(
            "For a registry",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": "acme/web",
                "name": "deploy",
                "accessLevel": 30,
                "scopes": ["read_registry", "write_registry"],
                "expiresAt": "2027-06-30",
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_access_token(ctx: ActionContext, input: CreateAccessTokenInput) -> CreateAccessTokenOutput:
    """Create a token."""
    ctx.log.info(f'Creating Token for Project "{input.project_id}"')
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)
    token = await gitlab.calls.write(
        "POST",
        f"{project(input.project_id)}/access_tokens",
        {
            "name": input.name,
            "scopes": ["read_repository"] if input.scopes is None else input.scopes,
            "expires_at": input.expires_at or (datetime.now(UTC) + LIFETIME).date().isoformat(),
            "access_level": input.access_level,
        },
        key=f"project.access.token.{input.project_id}.{input.name}",
        keep=lambda answer: ctx.hide(answer["token"]) if answer.get("token") else None,
        planned=HIDDEN,
    )
    if not token:
        raise ForeignError("Could not create project access token: GitLab gave none in its answer")
    return CreateAccessTokenOutput(access_token=token if ctx.is_dry_run else ctx.hide(token))
