"""From a folder of the workspace to a repository on a forge. Called by the publish actions.

A taken name is refused before anything is touched. A step that was interrupted goes on where it was: it takes the repository it
had made for its own, and a push of the same files counts as done.
"""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understage.sdk import (
    ActionContext,
    ConflictError,
    ForeignError,
    Forge,
    GitAuthor,
    GitCredentials,
    InputError,
    NotAllowedError,
    NotFoundError,
    Repository,
)
from understage_actions._effects import begun_before
from understage_actions._tree import frozen, walk

READABLE_WITHIN = 20.0
NO_COMMIT = "0" * 40
"""The commit hash of a dry run: git's own for no commit."""
_PAUSES = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Wanted:
    """The repository to make, and its first commit."""

    owner: str
    name: str
    description: str
    private: bool
    branch: str
    source_path: str
    message: str
    author: GitAuthor


@dataclass(frozen=True)
class Published:
    """What was made."""

    repository: Repository
    commit_hash: str


async def publish(ctx: ActionContext, forge: Forge, wanted: Wanted) -> Published:
    """Create the repository and push the folder to it; in a dry run only say so, after asking whether the name is free.

    Raises ConflictError when the name is taken, InputError for a source that is no folder of the workspace.
    """
    source = await source_folder(ctx, wanted.source_path)
    if ctx.is_dry_run:
        return await _plan(ctx, forge, wanted, source)
    repository = await _create(ctx, forge, wanted)
    commit = await push_folder(
        ctx,
        source,
        repository.clone_url,
        branch=wanted.branch,
        message=wanted.message,
        author=wanted.author,
        credentials=forge.credentials,
        key=f"push.{forge.type}.{wanted.owner}.{wanted.name}",
    )
    where = {"host": forge.host, "owner": wanted.owner, "name": wanted.name, "commit": commit}
    await ctx.undo_by(f"push.{forge.type}.{wanted.owner}.{wanted.name}", "undo:repository", where)
    await _wait_until_readable(ctx, forge, repository, wanted.branch, source)
    return Published(repository, commit)


async def push_folder(
    ctx: ActionContext,
    source: Path,
    remote_url: str,
    *,
    branch: str,
    message: str,
    author: GitAuthor,
    credentials: GitCredentials | None,
    key: str,
) -> str:
    """Push a folder as the first commit of a branch, once a step; returns its hash. A dry run only says so."""
    if ctx.is_dry_run:
        ctx.log.info(f"Would push {count_files(source)} files to branch {branch} of {remote_url}")
        return NO_COMMIT
    ctx.log.info(f"Pushing to {remote_url}, branch {branch}")

    async def push() -> str:
        return await ctx.ports.git.publish(
            source, remote_url, branch=branch, message=message, author=author, credentials=credentials
        )

    return await ctx.checkpoint(key, push)


def count_files(folder: Path) -> int:
    """How many files, links among them, a push of the folder holds."""
    return sum(1 for _, path in walk(folder) if path.is_symlink() or not path.is_dir())


async def source_folder(ctx: ActionContext, path: str | None) -> Path:
    """The folder to publish, frozen. Raises InputError when it is none, NotAllowedError outside of the workspace."""
    if not ctx.workspace.resolve(path or ".").is_dir():
        raise InputError(f"sourcePath {path} is no folder of the workspace")
    return await frozen(ctx, path or ".")


def author_of(ctx: ActionContext, name: str | None = None, email: str | None = None) -> GitAuthor:
    """The step's author, else the configured one, else Backstage's own default."""
    default = ctx.defaults.get("defaultAuthor") or {}
    return GitAuthor(
        name or default.get("name") or "Scaffolder",
        email or default.get("email") or "scaffolder@backstage.io",
    )


def message_of(ctx: ActionContext, message: str | None, fallback: str = "initial commit") -> str:
    """The step's commit message, else the configured one, else `fallback`."""
    return message or ctx.defaults.get("defaultCommitMessage") or fallback


def branch_folder_url(forge: Forge, repository: Repository, branch: str) -> str:
    """URL of the repository's root at a branch, ending in a slash: what relative URLs are resolved against."""
    return forge.contents_url(repository, branch).rstrip("/") + "/"


async def _plan(ctx: ActionContext, forge: Forge, wanted: Wanted, source: Path) -> Published:
    await _check_free(forge, wanted)
    planned = forge.plan_repository(wanted.owner, wanted.name, default_branch=wanted.branch)
    ctx.log.info(f"Would create {planned.web_url} and push {count_files(source)} files to branch {wanted.branch}")
    return Published(planned, NO_COMMIT)


async def _check_free(forge: Forge, wanted: Wanted) -> None:
    if await forge.get_repository(wanted.owner, wanted.name) is not None:
        raise ConflictError(f"The repository {wanted.owner}/{wanted.name} exists on {forge.host} already")


async def _create(ctx: ActionContext, forge: Forge, wanted: Wanted) -> Repository:
    key = f"{forge.type}.repo.{wanted.owner}.{wanted.name}"

    async def check_free() -> None:
        await _check_free(forge, wanted)

    # A repository that was there before the first try is somebody else's, however often the step is retried.
    resumed = await begun_before(ctx, key, check_first=check_free)

    where = {"host": forge.host, "owner": wanted.owner, "name": wanted.name}
    await ctx.undo_by(f"repository.{key}", "undo:repository", where)

    async def create() -> dict[str, Any]:
        ctx.log.info(f"Creating repository {wanted.owner}/{wanted.name} on {forge.host}")
        try:
            created = await forge.create_repository(
                wanted.owner,
                wanted.name,
                description=wanted.description,
                private=wanted.private,
                default_branch=wanted.branch,
            )
        except ConflictError:
            existing = await forge.get_repository(wanted.owner, wanted.name) if resumed else None
            if existing is None:
                raise
            created = existing
        return asdict(created)

    return Repository(**await ctx.checkpoint(f"create.{key}", create))


async def _wait_until_readable(
    ctx: ActionContext, forge: Forge, repository: Repository, branch: str, source: Path
) -> None:
    """Forges take a push in before their API shows it; what follows may read the files at once."""
    name = next((str(relative) for relative, path in walk(source) if path.is_file() and not path.is_symlink()), None)
    if name is None:
        return
    url = forge.contents_url(repository, branch, name)
    waited = 0.0
    pauses = iter(_PAUSES)
    while waited < READABLE_WITHIN:
        try:
            await ctx.ports.reader.read_url(url)
        except (NotFoundError, ForeignError):  # Gitea answers 404 or 500 until its queue has seen the push
            pause = next(pauses, _PAUSES[-1])
            await asyncio.sleep(pause)
            waited += pause
        except NotAllowedError:
            return  # the reader may not read this forge; nothing will
        else:
            return
    ctx.log.warn(f"{url} cannot be read yet, {READABLE_WITHIN:g} seconds after the push")
