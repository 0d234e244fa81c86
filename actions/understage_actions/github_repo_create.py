"""`github:repo:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._github import open_github
from understage_actions._github_repository import RepositorySettings, create_repository


class CreateRepositoryInput(RepositorySettings):
    """The repository to make."""

    auto_init: bool = Field(default=False, description="Whether it begins with a commit that holds a README")
    workflow_access: Literal["none", "organization", "user"] | None = Field(
        default=None, description="Whose workflows may use the actions in it, when it is private"
    )


class CreateRepositoryOutput(ActionModel):
    """Where it is."""

    remote_url: str = Field(description="The repository, for git")
    repo_contents_url: str = Field(description="The repository's root at its default branch, for people")


@action(
    "github:repo:create",
    description="Makes a GitHub repository, without pushing to it.",
    examples=[
        Example("An empty repository", {"repoUrl": "github.com?repo=web&owner=acme"}),
        Example(
            "One with a README, public, whose workflows sign in to a cloud",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "repoVisibility": "public",
                "autoInit": True,
                "oidcCustomization": {"useDefault": False, "includeClaimKeys": ["repo", "environment"]},
                "customProperties": {"tier": "gold", "regions": ["eu", "us"]},
                "subscribe": True,
                "workflowAccess": "organization",
            },
        ),
    ],
    supports_dry_run=True,
)
async def create(ctx: ActionContext, input: CreateRepositoryInput) -> CreateRepositoryOutput:
    """Create a repository."""
    github = await open_github(ctx, input.repo_url, input.token)
    repository = await create_repository(
        github, input, auto_init=input.auto_init, workflow_access=input.workflow_access
    )
    return CreateRepositoryOutput(
        remote_url=repository["clone_url"], repo_contents_url=f"{repository['html_url']}/blob/main"
    )
