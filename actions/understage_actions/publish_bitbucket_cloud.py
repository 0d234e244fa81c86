"""`publish:bitbucketCloud`: as the stock action (Backstage scaffolder-backend-module-bitbucket-cloud 0.3.11)."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, action
from understage_actions._bitbucket import Bitbucket, RepoUrlText, TokenText, open_bitbucket, page_of
from understage_actions._calls import given
from understage_actions._publishing import author_of, message_of, push_folder, source_folder


class PublishBitbucketCloudInput(ActionModel):
    """The repository to make, and its first commit."""

    repo_url: RepoUrlText
    description: str | None = Field(default=None, description="What the repository says it is")
    default_branch: str = Field(default="master", description="Branch that is pushed")
    repo_visibility: Literal["private", "public"] = Field(default="private", description="Who may see it")
    git_commit_message: str | None = Field(
        default=None, description="Message of the commit; default: the configured one, else `initial commit`"
    )
    source_path: str | None = Field(
        default=None, description="Folder of the workspace that becomes the repository's root; default: all of it"
    )
    token: TokenText = None
    sign_commit: bool | None = Field(default=None, description="Sign the commit; no key can be configured yet")


class PublishBitbucketCloudOutput(ActionModel):
    """Where the repository is."""

    remote_url: str = Field(description="What git clones")
    repo_contents_url: str = Field(description="The repository's root at the branch, for people")
    commit_hash: str = Field(description="The commit that was pushed")


@action(
    "publish:bitbucketCloud",
    description="Makes a repository on Bitbucket Cloud, and pushes a folder of the workspace to it.",
    examples=[
        Example("Publish the workspace", {"repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop"}),
        Example(
            "Publish a folder, for everybody to see",
            {
                "repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop",
                "description": "The shop",
                "sourcePath": "service",
                "defaultBranch": "main",
                "repoVisibility": "public",
                "gitCommitMessage": "Begin",
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_bitbucket_cloud(ctx: ActionContext, input: PublishBitbucketCloudInput) -> PublishBitbucketCloudOutput:
    """Create, push."""
    folder = await source_folder(ctx, input.source_path)
    bitbucket = await open_bitbucket(ctx, input.repo_url, input.token, needs_project=True)
    if input.sign_commit:
        raise InputError("Signing commits is enabled but no signing key is provided in the configuration")
    made = await _make(bitbucket, input)
    commit = await push_folder(
        ctx, folder, made["clone"],
        branch=input.default_branch,
        message=message_of(ctx, input.git_commit_message),
        author=author_of(ctx, None, None),
        credentials=bitbucket.calls.api.credentials,
        key=f"push.bitbucket.{bitbucket.workspace}.{bitbucket.repo}",
    )  # fmt: skip
    return PublishBitbucketCloudOutput(
        remote_url=made["clone"],
        repo_contents_url=f"{made['page']}/src/{input.default_branch}",
        commit_hash=commit,
    )


async def _make(bitbucket: Bitbucket, input: PublishBitbucketCloudInput) -> dict[str, str]:
    calls = bitbucket.calls

    async def find() -> dict[str, str] | None:
        found = await calls.find(bitbucket.path)
        return None if found is None else _places(found)

    async def check_free() -> None:
        if await find() is not None:
            raise ConflictError(
                f"The repository {bitbucket.workspace}/{bitbucket.repo} exists on {bitbucket.host} already: choose another name"
            )

    body = given(
        scm="git",
        description=input.description,
        is_private=input.repo_visibility == "private",
        project={"key": bitbucket.project},
    )
    made: dict[str, str] = await calls.write(
        "POST",
        bitbucket.path,
        body,
        key=f"create.repo.bitbucket.{bitbucket.workspace}.{bitbucket.repo}",
        keep=_places,
        planned={"clone": f"{bitbucket.web_url}.git", "page": bitbucket.web_url},
        unless=find,
        check_first=check_free,
    )
    return made


def _places(answer: dict[str, Any]) -> dict[str, str]:
    """Where git and people find a repository. The name of a user, which Bitbucket writes into the first, is left out."""
    clone = next(str(link["href"]) for link in answer["links"]["clone"] if link["name"] == "https")
    scheme, _, rest = clone.partition("://")
    return {"clone": f"{scheme}://{rest.rpartition('@')[2]}", "page": page_of(answer)}
