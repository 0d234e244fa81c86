"""`github:repo:push`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from understage.sdk import ActionContext, Example, action
from understage_actions._github import RepoUrlText, TokenText, open_github
from understage_actions._github_push import PublishedOutput, PushSettings, push_and_protect


class PushRepositoryInput(PushSettings):
    """The repository, and what is pushed to it."""

    repo_url: RepoUrlText
    token: TokenText = None


@action(
    "github:repo:push",
    description="Pushes a folder of the workspace to an empty GitHub repository, and protects its branch.",
    examples=[
        Example("Push the workspace", {"repoUrl": "github.com?repo=web&owner=acme"}),
        Example(
            "Push a folder, without protection",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "sourcePath": "service",
                "protectDefaultBranch": False,
                "gitCommitMessage": "Begin",
                "gitAuthorName": "Ada",
                "gitAuthorEmail": "ada@example.org",
            },
        ),
    ],
    supports_dry_run=True,
)
async def push(ctx: ActionContext, input: PushRepositoryInput) -> PublishedOutput:
    """Push and protect."""
    github = await open_github(ctx, input.repo_url, input.token)
    return await push_and_protect(github, await github.repository(), input)
