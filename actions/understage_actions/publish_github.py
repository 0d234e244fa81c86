"""`publish:github`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from understage.sdk import ActionContext, Example, action
from understage_actions._github import open_github
from understage_actions._github_push import PublishedOutput, PushSettings, push_and_protect
from understage_actions._github_repository import RepositorySettings, create_repository
from understage_actions._publishing import source_folder


class PublishGithubInput(RepositorySettings, PushSettings):
    """The repository to make, its first commit, and the protection of its branch."""


@action(
    "publish:github",
    description="Makes a GitHub repository, pushes a folder of the workspace to it, and protects its branch.",
    examples=[
        Example("Publish the workspace", {"repoUrl": "github.com?repo=web&owner=acme"}),
        Example(
            "Publish a folder, with collaborators and what GitHub Actions need",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "description": "A service",
                "repoVisibility": "internal",
                "sourcePath": "service",
                "access": "acme/platform",
                "collaborators": [
                    {"access": "push", "team": "group:default/team-a"},
                    {"access": "admin", "user": "ada"},
                ],
                "topics": ["Go", "service"],
                "repoVariables": {"REGION": "eu"},
                "secrets": {"API_KEY": "${{ secrets.API_KEY }}"},
                "requiredStatusCheckContexts": ["build"],
            },
        ),
        Example(
            "Publish without protecting the branch",
            {"repoUrl": "github.com?repo=web&owner=acme", "protectDefaultBranch": False, "defaultBranch": "trunk"},
        ),
    ],
    supports_dry_run=True,
)
async def publish_github(ctx: ActionContext, input: PublishGithubInput) -> PublishedOutput:
    """Create, push, protect."""
    await source_folder(ctx, input.source_path)
    github = await open_github(ctx, input.repo_url, input.token)
    repository = await create_repository(github, input)
    return await push_and_protect(github, repository, input)
