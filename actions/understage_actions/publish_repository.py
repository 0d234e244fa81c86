"""`publish:repository`: a folder of the workspace becomes a repository on whichever forge is configured."""

from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._publishing import Wanted, author_of, branch_folder_url, message_of, publish


class PublishRepositoryInput(ActionModel):
    """The repository to make."""

    host: str | None = Field(
        default=None, description="Host of the forge; default: the platform's forge, or the local git server"
    )
    owner: str = Field(description="Organization or user that owns the repository")
    name: str = Field(description="Name of the repository")
    description: str = Field(default="", description="Repository description")
    visibility: Literal["private", "public"] = Field(default="private", description="Repository visibility")
    default_branch: str = Field(default="main", description="Sets the default branch on the repository")
    source_path: str | None = Field(
        default=None,
        description="Path within the workspace that will be used as the repository root; default: all of it",
    )
    commit_message: str | None = Field(default=None, description="Message of the first commit")
    git_author_name: str | None = Field(default=None, description="Author of the first commit")
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")


class PublishRepositoryOutput(ActionModel):
    """Where it is."""

    remote_url: str = Field(description="The repository, for git")
    repo_contents_url: str = Field(description="The root of the repository at the default branch, ends in a slash")
    repo_url: str = Field(description="The repository, for people")
    commit_hash: str = Field(description="The first commit")
    catalog_info_url: str = Field(description="URL of catalog-info.yaml in the repository's root, for catalog:register")


@action(
    "publish:repository",
    description="""
    Creates a repository on a configured forge and pushes a folder of the workspace to it as the first commit. Without a forge
    the repository goes to the local git server of this service.
    """,
    examples=[
        Example("Publish the workspace", {"owner": "team-a", "name": "web"}),
        Example(
            "Publish a folder, readable for all",
            {"owner": "team-a", "name": "web", "sourcePath": "service", "visibility": "public"},
        ),
    ],
    supports_dry_run=True,
)
async def publish_repository(ctx: ActionContext, input: PublishRepositoryInput) -> PublishRepositoryOutput:
    """Create and push."""
    forges = ctx.ports.forges
    forge = forges.get(input.host) if input.host else forges.default()
    wanted = Wanted(
        owner=input.owner,
        name=input.name,
        description=input.description,
        private=input.visibility == "private",
        branch=input.default_branch,
        source_path=input.source_path or ".",
        message=message_of(ctx, input.commit_message),
        author=author_of(ctx, input.git_author_name, input.git_author_email),
    )
    published = await publish(ctx, forge, wanted)
    repository = published.repository
    return PublishRepositoryOutput(
        remote_url=repository.clone_url,
        repo_contents_url=branch_folder_url(forge, repository, input.default_branch),
        repo_url=repository.web_url,
        commit_hash=published.commit_hash,
        catalog_info_url=forge.contents_url(repository, input.default_branch, "catalog-info.yaml"),
    )
