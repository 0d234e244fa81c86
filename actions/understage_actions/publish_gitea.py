"""`publish:gitea`: as the stock action of that name (Backstage scaffolder-backend-module-gitea 0.2.25)."""

import hashlib
from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, Forge, InputError, RepoUrl, action, parse_repo_url
from understage_actions._publishing import Wanted, author_of, branch_folder_url, message_of, publish


class PublishGiteaInput(ActionModel):
    """The repository to make."""

    repo_url: str = Field(description="Repository location, as the RepoUrlPicker gives it: `host?owner=…&repo=…`")
    description: str = Field(description="Repository Description")
    default_branch: str = Field(default="main", description="Sets the default branch on the repository")
    repo_visibility: Literal["private", "public"] = Field(
        default="public", description="Sets the repository visibility"
    )
    git_commit_message: str | None = Field(
        default=None, description="Sets the commit message on the repository. The default value is 'initial commit'"
    )
    git_author_name: str | None = Field(
        default=None, description="Sets the default author name for the commit. The default value is 'Scaffolder'"
    )
    git_author_email: str | None = Field(default=None, description="Sets the default author email for the commit.")
    source_path: str | None = Field(
        default=None, description="Path within the workspace that will be used as the repository root."
    )
    sign_commit: bool = Field(default=False, description="Sign commit with configured PGP private key")


class PublishGiteaOutput(ActionModel):
    """Where it is."""

    remote_url: str = Field(description="A URL to the repository with the provider")
    repo_contents_url: str = Field(description="A URL to the root of the repository")
    commit_hash: str = Field(description="The git commit hash of the initial commit")


@action(
    "publish:gitea",
    description="Initializes a git repository using the content of the workspace, and publishes it to Gitea.",
    examples=[
        Example(
            "Publish the workspace to an organization",
            {"repoUrl": "gitea.com?repo=web&owner=team-a", "description": "A service"},
        ),
        Example(
            "Publish a folder, private, with an author",
            {
                "repoUrl": "gitea.com?repo=web&owner=team-a",
                "description": "A service",
                "repoVisibility": "private",
                "sourcePath": "service",
                "defaultBranch": "develop",
                "gitAuthorName": "Ada",
                "gitAuthorEmail": "ada@example.org",
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_gitea(ctx: ActionContext, input: PublishGiteaInput) -> PublishGiteaOutput:
    """Create and push."""
    if input.sign_commit:
        raise InputError("Signing commits is enabled but no signing key is provided in the configuration")
    target, owner, forge = find_gitea(ctx, input.repo_url)
    change = hashlib.sha1(f"{ctx.task.id}/{ctx.step.id}".encode(), usedforsecurity=False).hexdigest()
    wanted = Wanted(
        owner=owner,
        name=target.repo,
        description=input.description,
        private=input.repo_visibility == "private",
        branch=input.default_branch,
        source_path=input.source_path or ".",
        message=f"{message_of(ctx, input.git_commit_message)}\n\nChange-Id: I{change}",
        author=author_of(ctx, input.git_author_name, input.git_author_email),
    )
    published = await publish(ctx, forge, wanted)
    return PublishGiteaOutput(
        remote_url=published.repository.clone_url,
        repo_contents_url=branch_folder_url(forge, published.repository, input.default_branch),
        commit_hash=published.commit_hash,
    )


def find_gitea(ctx: ActionContext, repo_url: str) -> tuple[RepoUrl, str, Forge]:
    """The repository a `repoUrl` names, its owner, and its forge. Raises InputError when that is no Gitea."""
    target = parse_repo_url(repo_url)
    if target.owner is None:
        raise InputError(f"Invalid repository owner provided in repoUrl {repo_url}: add owner=…")
    forge = ctx.ports.forges.get(target.host)
    if forge.type != "gitea":
        raise InputError(f"{target.host} is no Gitea: use publish:repository, which takes any configured forge")
    return target, target.owner, forge
