"""`gitlab:user:info`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import Number
from understage_actions._gitlab import HostText, TokenText, open_gitlab


class UserInfoInput(ActionModel):
    """The user."""

    repo_url: HostText
    token: TokenText = None
    user_id: Number | None = Field(default=None, description="Number of the user; default: whom the token belongs to")


class UserInfoOutput(ActionModel):
    """What GitLab knows of the user."""

    id: Number = Field(description="Number of the user")
    username: str = Field(description="Name that the user signs in with")
    name: str = Field(description="Name of the user, for people")
    state: str = Field(description="Whether the user is active or blocked")
    web_url: str = Field(description="Page of the user")
    email: str | None = Field(default=None, description="E-mail address, for the user and administrators")
    created_at: str | None = Field(default=None, description="When the user was made")
    public_email: str | None = Field(default=None, description="E-mail address that everybody may see")


@action(
    "gitlab:user:info",
    description="Tells who a GitLab user is.",
    examples=[
        Example("Whom the token belongs to", {"repoUrl": "gitlab.com", "token": "${{ secrets.USER_OAUTH_TOKEN }}"}),
        Example("A user by number", {"repoUrl": "gitlab.com?repo=web&owner=acme", "userId": 5}),
    ],
    supports_dry_run=True,
)
async def tell_user(ctx: ActionContext, input: UserInfoInput) -> UserInfoOutput:
    """Read a user."""
    try:
        gitlab = await open_gitlab(ctx, input.repo_url, input.token, for_anybody=True)
        user = await gitlab.calls.read("/user" if input.user_id is None else f"/users/{input.user_id}")
    except UnderstageError as error:
        raise InputError(f"Failed to retrieve GitLab user info: {error.message}") from error
    return UserInfoOutput(
        id=user["id"],
        username=user["username"],
        name=user["name"],
        state=user["state"],
        web_url=user["web_url"],
        **{name: user[name] for name in ("email", "created_at", "public_email") if user.get(name)},
    )
