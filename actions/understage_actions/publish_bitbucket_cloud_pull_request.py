"""`publish:bitbucketCloud:pull-request`: as the stock action (Backstage scaffolder-backend-module-bitbucket-cloud 0.3.11)."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, Workspace, action
from understage_actions._bitbucket import Bitbucket, RepoUrlText, TokenText, open_bitbucket, page_of, quoted
from understage_actions._calls import given
from understage_actions._publishing import author_of, count_files, message_of, source_folder
from understage_actions._tree import Tree, copy_tree

PLANNED = "0"


class PullRequestInput(ActionModel):
    """The change, and the pull request for it."""

    repo_url: RepoUrlText
    title: str = Field(description="Title of the pull request")
    description: str | None = Field(default=None, description="Text of the pull request, and message of its commit")
    target_branch: str | None = Field(
        default=None, description="Branch to merge into; default: the repository's main branch"
    )
    source_branch: str = Field(
        description="Branch to merge; where there is none it is made, with the workspace's files"
    )
    token: TokenText = None
    git_author_name: str | None = Field(
        default=None, description="Author of the commit; default: the configured one, else `Scaffolder`"
    )
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")


class PullRequestOutput(ActionModel):
    """Where it is."""

    pull_request_url: str = Field(description="Page of the pull request")


@action(
    "publish:bitbucketCloud:pull-request",
    description="Opens a pull request on Bitbucket Cloud, for a branch that is there or one made of the workspace's files.",
    examples=[
        Example(
            "Propose the workspace's files",
            {
                "repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop",
                "title": "Add documentation",
                "sourceBranch": "add-docs",
            },
        ),
        Example(
            "Into another branch than the main one",
            {
                "repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop",
                "title": "Change values",
                "description": "Written by the scaffolder",
                "sourceBranch": "new-values",
                "targetBranch": "release",
                "gitAuthorName": "Ada",
                "gitAuthorEmail": "ada@example.org",
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_pull_request(ctx: ActionContext, input: PullRequestInput) -> PullRequestOutput:
    """Branch, push, open."""
    bitbucket = await open_bitbucket(ctx, input.repo_url, input.token)
    target = input.target_branch or await _main_branch(bitbucket)
    if input.source_branch == target:
        raise InputError(f"sourceBranch must be another branch than the one to merge into, {target}")
    if await _is_ours_or_absent(bitbucket, input.source_branch):
        await _make_branch(bitbucket, input.source_branch, target)
        await _push(ctx, bitbucket, input)
    return PullRequestOutput(pull_request_url=await _open(bitbucket, input, target))


async def _main_branch(bitbucket: Bitbucket) -> str:
    found = await bitbucket.calls.read(bitbucket.path)
    name = (found.get("mainbranch") or {}).get("name")
    if not name:
        raise InputError(
            f"Could not fetch default branch for {bitbucket.workspace}/{bitbucket.repo}: name targetBranch"
        )
    return str(name)


async def _is_ours_or_absent(bitbucket: Bitbucket, branch: str) -> bool:
    """Whether the branch has to be made, or an earlier run of this step has begun to make it."""
    found = await _find_branch(bitbucket, branch)
    return found is None or await bitbucket.calls.has_begun(_branch_key(bitbucket, branch))


async def _find_branch(bitbucket: Bitbucket, branch: str) -> str | None:
    rows = (await bitbucket.calls.read(f"{bitbucket.path}/refs/branches", {"q": f"name = {quoted(branch)}"}))["values"]
    return str(rows[0]["name"]) if rows else None


async def _make_branch(bitbucket: Bitbucket, branch: str, start: str) -> None:
    bitbucket.calls.ctx.log.info(f"source branch not found -> creating branch named: {branch}")

    async def find() -> str | None:
        return await _find_branch(bitbucket, branch)

    await bitbucket.calls.write(
        "POST",
        f"{bitbucket.path}/refs/branches",
        {"name": branch, "target": {"hash": start}},
        key=_branch_key(bitbucket, branch),
        keep=lambda answer: answer["name"],
        planned=branch,
        unless=find,
    )


def _branch_key(bitbucket: Bitbucket, branch: str) -> str:
    return f"branch.bitbucket.{bitbucket.workspace}.{bitbucket.repo}.{branch}"


async def _push(ctx: ActionContext, bitbucket: Bitbucket, input: PullRequestInput) -> None:
    source, remote = await source_folder(ctx, None), f"{bitbucket.web_url}.git"
    credentials = bitbucket.calls.api.credentials
    if ctx.is_dry_run:
        ctx.log.info(f"Would push {count_files(source)} files to branch {input.source_branch} of {remote}")
        return

    async def push() -> dict[str, str | None]:
        clone = ctx.temporary_directory()
        await ctx.ports.git.clone(remote, clone, branch=input.source_branch, credentials=credentials)
        await asyncio.to_thread(copy_tree, Tree(Workspace(source)), Workspace(clone))
        commit = await ctx.ports.git.push_changes(
            clone,
            branch=input.source_branch,
            message=message_of(ctx, input.description, input.title),
            author=author_of(ctx, input.git_author_name, input.git_author_email),
            credentials=credentials,
        )
        return {"commit": commit}

    key = f"push.bitbucket.{bitbucket.workspace}.{bitbucket.repo}.{input.source_branch}"
    if (await ctx.checkpoint(key, push))["commit"] is None:
        ctx.log.warn("The repository has these files already")


async def _open(bitbucket: Bitbucket, input: PullRequestInput, target: str) -> str:
    path = f"{bitbucket.path}/pullrequests"

    async def find() -> str | None:
        branches = f"source.branch.name = {quoted(input.source_branch)} AND destination.branch.name = {quoted(target)}"
        rows = (await bitbucket.calls.read(path, {"q": f'{branches} AND state = "OPEN"'}))["values"]
        return page_of(rows[0]) if rows else None

    body: dict[str, Any] = {
        "title": input.title,
        "summary": given(raw=input.description),
        "state": "OPEN",
        "source": {"branch": {"name": input.source_branch}},
        "destination": {"branch": {"name": target}},
    }
    opened: str = await bitbucket.calls.write(
        "POST",
        path,
        body,
        key=f"open.bitbucket.{bitbucket.workspace}.{bitbucket.repo}.{input.source_branch}",
        keep=page_of,
        planned=f"{bitbucket.web_url}/pull-requests/{PLANNED}",
        unless=find,
    )
    return opened
