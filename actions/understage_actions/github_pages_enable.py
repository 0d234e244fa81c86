"""`github:pages:enable`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._github import RepoUrlText, TokenText, open_github


class EnablePagesInput(ActionModel):
    """What the pages are built of."""

    repo_url: RepoUrlText
    build_type: Literal["legacy", "workflow"] = Field(
        default="workflow",
        description="workflow: a GitHub Actions workflow deploys them; legacy: GitHub builds a branch",
    )
    source_branch: str = Field(default="main", description="Branch that GitHub builds, for legacy")
    source_path: Literal["/", "/docs"] = Field(default="/", description="Folder of that branch")
    token: TokenText = None


@action(
    "github:pages:enable",
    description="Turns on GitHub Pages for a repository.",
    examples=[
        Example("Pages from a workflow", {"repoUrl": "github.com?repo=web&owner=acme"}),
        Example(
            "Pages from the folder docs of a branch",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "buildType": "legacy",
                "sourceBranch": "trunk",
                "sourcePath": "/docs",
            },
        ),
    ],
    supports_dry_run=True,
)
async def enable_pages(ctx: ActionContext, input: EnablePagesInput) -> None:
    """Enable Pages."""
    github = await open_github(ctx, input.repo_url, input.token)
    ctx.log.info(
        f'Attempting to enable GitHub Pages for {github.owner}/{github.repo} with "{input.build_type}" build type, on source '
        f'branch "{input.source_branch}" and source path "{input.source_path}"'
    )

    async def enabled_before() -> bool | None:
        return True if await github.calls.find(f"{github.path}/pages") is not None else None

    await github.calls.write(
        "POST",
        f"{github.path}/pages",
        {"build_type": input.build_type, "source": {"branch": input.source_branch, "path": input.source_path}},
        key=f"enabled.github.pages.{github.key}",
        unless=enabled_before,
    )
    if not ctx.is_dry_run:
        ctx.log.info("Completed enabling GitHub Pages")
