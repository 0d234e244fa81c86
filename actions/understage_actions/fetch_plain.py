"""`fetch:plain` and `fetch:plain:file`: files and folders into the workspace as they are."""

import asyncio

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._fetch import fetch_file, fetch_tree
from understage_actions._tree import copy_tree, write_file

_URL = "Relative path or absolute URL pointing to the {what} to fetch"
_TOKEN = "An optional token to use for authentication when reading the resources"


class FetchPlainInput(ActionModel):
    """What to fetch, and where to."""

    url: str = Field(description=_URL.format(what="directory tree"))
    target_path: str | None = Field(
        default=None, description="Target path within the working directory to download the contents to"
    )
    token: str | None = Field(default=None, description=_TOKEN)


class FetchPlainFileInput(ActionModel):
    """Which file to fetch, and where to."""

    url: str = Field(description=_URL.format(what="single file"))
    target_path: str = Field(description="Target path within the working directory to download the file as")
    token: str | None = Field(default=None, description=_TOKEN)


@action(
    "fetch:plain",
    description="Downloads content and places it in the workspace, or optionally in a subdirectory specified by `targetPath`.",
    examples=[
        Example(
            "Fetch a folder into a subdirectory",
            {"url": "https://github.com/acme/skeletons/tree/main/docs", "targetPath": "docs"},
        ),
        Example("Fetch the folder beside the template", {"url": "./skeleton"}),
    ],
    supports_dry_run=True,
)
async def fetch_plain(ctx: ActionContext, input: FetchPlainInput) -> None:
    """Fetch a folder."""
    ctx.log.info("Fetching plain content from remote URL")
    ctx.workspace.resolve(input.target_path or ".")
    source = await fetch_tree(ctx, input.url, token=input.token)
    await asyncio.to_thread(copy_tree, source, ctx.workspace, input.target_path or ".")


@action(
    "fetch:plain:file",
    description="Downloads single file and places it in the workspace.",
    examples=[
        Example(
            "Fetch one file",
            {"url": "https://github.com/acme/skeletons/blob/main/Dockerfile", "targetPath": "build/Dockerfile"},
        )
    ],
    supports_dry_run=True,
)
async def fetch_plain_file(ctx: ActionContext, input: FetchPlainFileInput) -> None:
    """Fetch one file."""
    ctx.log.info("Fetching plain content from remote URL")
    ctx.workspace.resolve(input.target_path)
    content = await fetch_file(ctx, input.url, token=input.token)
    await asyncio.to_thread(write_file, ctx.workspace, input.target_path, content)
