"""`github:branch-protection:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from pydantic import Field

from understage.sdk import ActionContext, Example, action
from understage_actions._github import RepoUrlText, TokenText, open_github
from understage_actions._github_protection import ProtectionRules, protect_branch


class ProtectBranchInput(ProtectionRules):
    """The branch, and its rules."""

    repo_url: RepoUrlText
    branch: str | None = Field(default=None, description="Branch to protect; default: the repository's default branch")
    enforce_admins: bool = Field(default=True, description="The rules hold for administrators, too")
    block_creations: bool = Field(default=False, description="Nobody else may make branches that match")
    token: TokenText = None


@action(
    "github:branch-protection:create",
    description="Protects a branch of a GitHub repository.",
    examples=[
        Example("Protect the default branch", {"repoUrl": "github.com?repo=web&owner=acme"}),
        Example(
            "Two approvals and a passed build; only the release team pushes",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "branch": "release",
                "requiredApprovingReviewCount": 2,
                "requiredStatusCheckContexts": ["build"],
                "restrictions": {"users": [], "teams": ["release"]},
                "requiredCommitSigning": True,
            },
        ),
    ],
    supports_dry_run=True,
)
async def protect(ctx: ActionContext, input: ProtectBranchInput) -> None:
    """Protect a branch."""
    github = await open_github(
        ctx, input.repo_url, input.token, no_owner=f"No owner provided for repo {input.repo_url}"
    )
    branch = input.branch or str((await github.repository())["default_branch"])
    await protect_branch(github, branch, input, for_admins=input.enforce_admins, block_creations=input.block_creations)
