"""`publish:gitea:pull-request`: the workspace's files on a branch of an existing repository, and a pull request for them."""

import asyncio
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Example,
    Forge,
    InputError,
    NotFoundError,
    Repository,
    Workspace,
    action,
)
from understage_actions._publishing import author_of, message_of, source_folder
from understage_actions._tree import Tree, copy_tree, remove_file, walk
from understage_actions.publish_gitea import find_gitea


class GiteaPullRequestInput(ActionModel):
    """The change and the pull request."""

    repo_url: str = Field(description="Repository location, as the RepoUrlPicker gives it: `host?owner=…&repo=…`")
    branch_name: str = Field(description="The branch the change is made on")
    title: str = Field(description="The name for the pull request")
    description: str = Field(default="", description="The description of the pull request")
    target_branch_name: str | None = Field(
        default=None, description="The branch to merge into; default: the repository's default branch"
    )
    source_path: str | None = Field(
        default=None, description="Subdirectory of the workspace to take the files from; default: all of it"
    )
    target_path: str | None = Field(default=None, description="Subdirectory of the repository to put the files in")
    files_to_delete: list[str] = Field(default_factory=list, description="Paths of files to delete in the repository")
    commit_message: str | None = Field(default=None, description="The commit message; default: the title")
    git_author_name: str | None = Field(default=None, description="Author of the commit")
    git_author_email: str | None = Field(default=None, description="E-mail address of the author")


class GiteaPullRequestOutput(ActionModel):
    """The pull request; only `targetBranchName` when the files are in the repository already."""

    target_branch_name: str = Field(description="The branch to merge into")
    remote_url: str | None = Field(default=None, description="Link to the pull request")
    pull_request_number: int | None = Field(default=None, description="The pull request number")
    commit_hash: str | None = Field(default=None, description="The commit on the branch")


@action(
    "publish:gitea:pull-request",
    description="Creates a branch with the workspace's files in a Gitea repository, and opens a pull request for it.",
    examples=[
        Example(
            "Propose the workspace's files",
            {
                "repoUrl": "gitea.com?repo=web&owner=team-a",
                "branchName": "add-docs",
                "title": "Add documentation",
                "description": "Written by the scaffolder",
            },
        ),
        Example(
            "Replace a file in a folder",
            {
                "repoUrl": "gitea.com?repo=web&owner=team-a",
                "branchName": "new-values",
                "title": "Change values",
                "sourcePath": "values",
                "targetPath": "deploy",
                "filesToDelete": ["deploy/old.yaml"],
            },
        ),
    ],
    supports_dry_run=True,
)
async def publish_gitea_pull_request(ctx: ActionContext, input: GiteaPullRequestInput) -> GiteaPullRequestOutput:
    """Clone, change, push, open; a dry run tells what would be pushed."""
    place, owner, forge = find_gitea(ctx, input.repo_url)
    repository = await forge.get_repository(owner, place.repo)
    if repository is None:
        raise NotFoundError(f"There is no repository {owner}/{place.repo} on {forge.host}: publish it first")
    target = input.target_branch_name or repository.default_branch
    if input.branch_name == target:
        raise InputError(f"branchName must be another branch than the one to merge into, {target}")
    if ctx.is_dry_run:
        clone = await _changed_clone(ctx, input, forge, repository, target)
        count = len(clone.changes)
        noun = "file" if count == 1 else "files"
        ctx.log.info(f"Would commit {count} {noun} to {owner}/{place.repo} ({input.branch_name})")
        if count:
            ctx.log.info(f"Would open a pull request into {target}")
        return GiteaPullRequestOutput(target_branch_name=target)

    async def push() -> dict[str, str | None]:
        return {"commit": await _push(ctx, input, forge, repository, target)}

    pushed = await ctx.checkpoint(f"push.{owner}.{place.repo}.{input.branch_name}", push)
    commit = pushed["commit"]
    if commit is None:
        ctx.log.warn("No pull request is opened: the repository has these files already")
        return GiteaPullRequestOutput(target_branch_name=target)

    async def open_request() -> dict[str, Any]:
        opened = await forge.open_pull_request(
            owner,
            place.repo,
            title=input.title,
            body=input.description,
            source_branch=input.branch_name,
            target_branch=target,
        )
        return {"number": opened.number, "url": opened.url}

    opened = await ctx.checkpoint(f"open.{owner}.{place.repo}.{input.branch_name}", open_request)
    ctx.log.info(f"Pull request {opened['number']}: {opened['url']}")
    return GiteaPullRequestOutput(
        target_branch_name=target,
        remote_url=opened["url"],
        pull_request_number=opened["number"],
        commit_hash=commit,
    )


@dataclass(frozen=True)
class _Clone:
    """The changed work tree, and the paths of the files that are others now."""

    folder: Path
    changes: list[str]


async def _push(
    ctx: ActionContext, input: GiteaPullRequestInput, forge: Forge, repository: Repository, target: str
) -> str | None:
    clone = await _changed_clone(ctx, input, forge, repository, target)
    ctx.log.info(f"Pushing to {repository.clone_url}, branch {input.branch_name}")
    return await ctx.ports.git.push_changes(
        clone.folder,
        branch=input.branch_name,
        message=message_of(ctx, input.commit_message, input.title),
        author=author_of(ctx, input.git_author_name, input.git_author_email),
        credentials=forge.credentials,
    )


async def _changed_clone(
    ctx: ActionContext, input: GiteaPullRequestInput, forge: Forge, repository: Repository, target: str
) -> _Clone:
    source = await source_folder(ctx, input.source_path)
    clone = ctx.temporary_directory()
    await ctx.ports.git.clone(repository.clone_url, clone, branch=target, credentials=forge.credentials)
    return _Clone(clone, await asyncio.to_thread(_change, Workspace(clone), source, input))


def _change(clone: Workspace, source: Path, input: GiteaPullRequestInput) -> list[str]:
    before = _digests(clone.path)
    copy_tree(Tree(Workspace(source)), clone, input.target_path or ".")
    for name in input.files_to_delete:
        if not clone.resolve(name).is_file() or not remove_file(clone, name):
            raise NotFoundError(f"{name} cannot be deleted: the repository has no such file")
    after = _digests(clone.path)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _digests(folder: Path) -> dict[str, str]:
    """What tells one version of a file from another, by path; git's own files left out."""
    found = {}
    for relative, path in walk(folder):
        if ".git" in relative.parts or (path.is_dir() and not path.is_symlink()):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        mode = 0o120000 if path.is_symlink() else path.stat().st_mode & stat.S_IXUSR
        found[str(relative)] = f"{mode:o} {hashlib.sha256(content).hexdigest()}"
    return found
