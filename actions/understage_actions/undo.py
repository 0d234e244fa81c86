"""`undo:object`, `undo:repository`, `undo:commit`, `undo:location`: what a task made, taken away again.

Steps of an undo, see `scaffolder.undo`. Each looks first: what is gone is done, what others changed meanwhile is left.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    ConflictError,
    Example,
    Forge,
    InputError,
    NotFoundError,
    Repository,
    action,
)
from understage_actions._gitops_repository import Target, clone
from understage_actions._publishing import author_of
from understage_actions._undoing import digest, read_texts

MANAGER = "understage"
ATTEMPTS = 5


class UndoOutput(ActionModel):
    """What was done."""

    undone: bool = Field(description="false: it was gone already, others have changed it, or a dry run")
    why: str | None = Field(default=None, description="Why it was left")


class ObjectInput(ActionModel):
    """An object of a cluster that a task made."""

    cluster: str
    api_version: str
    kind: str
    name: str
    namespace: str | None = None


class RepositoryInput(ActionModel):
    """A repository that a task made."""

    host: str
    owner: str
    name: str
    commit: str | None = Field(default=None, description="The only commit that it may have; default: none at all")


class FileChange(ActionModel):
    """A file that a task wrote."""

    path: str
    existed: bool = Field(description="Whether it was there before; its text is that of the commit")
    written: str = Field(description="SHA-256 of what was written")


class CommitInput(ActionModel):
    """What a task changed on the default branch of a repository."""

    host: str
    owner: str
    name: str
    commit: str = Field(description="The commit before, by its whole hash")
    files: list[FileChange]


class LocationInput(ActionModel):
    """A location that a task registered."""

    target: str


@action(
    "undo:object",
    description="Deletes an object that a task made in a cluster, unless another manager has taken it over.",
    examples=[
        Example(
            "A namespace", {"cluster": "production", "apiVersion": "v1", "kind": "Namespace", "name": "ledger-staging"}
        )
    ],
    supports_dry_run=True,
)
async def undo_object(ctx: ActionContext, input: ObjectInput) -> UndoOutput:
    """Delete it."""
    cluster = ctx.ports.clusters.get(input.cluster)
    if cluster is None:
        raise InputError(f"Cluster {input.cluster} is not configured any more")
    title = f"{input.kind} {input.namespace + '/' if input.namespace else ''}{input.name} of cluster {cluster.name}"
    found = await cluster.get(input.api_version, input.kind, input.name, input.namespace)
    if found is None:
        return _left(ctx, f"{title} is gone already")
    managers = {entry.get("manager") for entry in found["metadata"].get("managedFields") or ()}
    if managers and MANAGER not in managers:
        return _left(ctx, f"{title} is somebody else's now: {', '.join(sorted(map(str, managers)))}")
    if ctx.is_dry_run:
        return _planned(ctx, f"Would delete {title}")
    await cluster.delete(input.api_version, input.kind, input.name, input.namespace)
    ctx.log.info(f"Deleted {title}")
    return UndoOutput(undone=True)


@action(
    "undo:repository",
    description="Deletes a repository that a task made, unless there is a commit or a branch in it that the task did not push.",
    examples=[
        Example("A repository", {"host": "git.example.com", "owner": "payments", "name": "ledger", "commit": "4b825d"})
    ],
    supports_dry_run=True,
)
async def undo_repository(ctx: ActionContext, input: RepositoryInput) -> UndoOutput:
    """Look at its branches, then delete it."""
    forge: Forge = ctx.ports.forges.get(input.host)
    title = f"the repository {input.owner}/{input.name} on {forge.host}"
    try:
        heads = await forge.branch_heads(input.owner, input.name)
    except NotFoundError:
        return _left(ctx, f"{title} is gone already")
    foreign = sorted(branch for branch, commit in heads.items() if commit != input.commit)
    if foreign:
        return _left(ctx, f"{title} has commits that the task did not push, on {', '.join(foreign)}: delete it by hand")
    if ctx.is_dry_run:
        return _planned(ctx, f"Would delete {title}")
    await forge.delete_repository(input.owner, input.name)
    ctx.log.info(f"Deleted {title}")
    return UndoOutput(undone=True)


@action(
    "undo:commit",
    description="""
    Writes a commit that takes back what a task changed in a repository, file by file; a file that was changed since stays as it
    is.
    """,
    examples=[
        Example(
            "A file that was not there before",
            {
                "host": "git.example.com",
                "owner": "platform",
                "name": "gitops",
                "commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                "files": [
                    {"path": "infrastructure/teams/payments/project.yaml", "existed": False, "written": "9f86d0"}
                ],
            },
        )
    ],
    supports_dry_run=True,
)
async def undo_commit(ctx: ActionContext, input: CommitInput) -> UndoOutput:
    """Clone, restore, push; again when the branch moves meanwhile."""
    target = Target(ctx.ports.forges.get(input.host), input.owner, input.name)
    for attempt in range(1, ATTEMPTS + 1):
        repository = await target.find()
        directory = await clone(ctx, target, repository) if repository is not None else None
        if repository is None or directory is None:
            return _left(ctx, f"{target.title} is gone already")
        restored = _restore(ctx, directory, input.files, await _texts_before(ctx, target, repository, input))
        if not restored:
            return _left(ctx, f"{target.title} has nothing of it any more, or it was changed since")
        if ctx.is_dry_run:
            return _planned(ctx, f"Would take back {', '.join(restored)} in {target.title}")
        try:
            commit = await ctx.ports.git.push_changes(
                directory,
                branch=repository.default_branch,
                message=f"Take back {len(restored)} files of a task that was undone",
                author=author_of(ctx, None, None),
                credentials=target.forge.credentials,
            )
        except ConflictError:
            if attempt == ATTEMPTS:
                raise
            continue
        ctx.log.info(f"Took back {', '.join(restored)} in {target.title}: {commit}")
        break
    return UndoOutput(undone=True)


@action(
    "undo:location",
    description="Unregisters a location of the catalog that a task registered.",
    examples=[
        Example("A location", {"target": "https://git.example.com/payments/ledger/src/branch/main/catalog-info.yaml"})
    ],
    supports_dry_run=True,
)
async def undo_location(ctx: ActionContext, input: LocationInput) -> UndoOutput:
    """Unregister it."""
    if ctx.is_dry_run:
        return _planned(ctx, f"Would unregister {input.target}")
    if not await ctx.ports.catalog.remove_location(input.target):
        return _left(ctx, f"{input.target} is not registered any more")
    ctx.log.info(f"Unregistered {input.target}")
    return UndoOutput(undone=True)


async def _texts_before(
    ctx: ActionContext, target: Target, repository: Repository, input: CommitInput
) -> Mapping[str, bytes]:
    """The texts of the files that were there; none when the repository has lost the commit."""
    paths = [change.path for change in input.files if change.existed]
    try:
        return (
            await ctx.ports.git.read_files(
                repository.clone_url, input.commit, paths, credentials=target.forge.credentials
            )
            if paths
            else {}
        )
    except NotFoundError as error:
        ctx.log.warn(f"What was there before is not known any more: {error.message}")
        return {}


def _restore(ctx: ActionContext, directory: Path, changes: list[FileChange], texts: Mapping[str, bytes]) -> list[str]:
    """Put the texts before in place; returns the paths of those."""
    restored = []
    root = directory.resolve()
    for change in changes:
        path = (directory / change.path).resolve()
        if not path.is_relative_to(root) or ".git" in path.relative_to(root).parts:
            raise InputError(f"{change.path} leads out of the repository")
        now = read_texts(directory, [change.path])[change.path]
        if now is None and not change.existed:
            continue
        if now is None or digest(now) != change.written:
            ctx.log.warn(f"{change.path} was changed since: it stays as it is")
            continue
        if not change.existed:
            path.unlink()
        elif change.path in texts:
            path.write_bytes(texts[change.path])
        else:
            ctx.log.warn(f"{change.path} stays as it is: its text before is not known")
            continue
        restored.append(change.path)
    return restored


def _left(ctx: ActionContext, why: str) -> UndoOutput:
    ctx.log.info(f"Left alone: {why}")
    return UndoOutput(undone=False, why=why)


def _planned(ctx: ActionContext, what: str) -> UndoOutput:
    ctx.log.info(what)
    return UndoOutput(undone=False, why="a dry run")
