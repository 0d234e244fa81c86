"""`gitops:commit`: files of the workspace become a commit, or a pull request, of the GitOps repository."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    ConflictError,
    Example,
    InputError,
    Repository,
    action,
)
from understage_actions._argocd_manifests import IN_CLUSTER_SERVER
from understage_actions._gitops_layout import TEAMS
from understage_actions._gitops_repository import (
    README,
    Target,
    choose_target,
    clone_with_commit,
    read_source,
    write_files,
)
from understage_actions._gitops_rules import check_gitops_files
from understage_actions._publishing import author_of
from understage_actions._repository_name import RepositoryName
from understage_actions._tenant_files import check_team_files
from understage_actions._tree import frozen
from understage_actions._undoing import changes_of, read_texts

ATTEMPTS = 5


class CommitInput(ActionModel):
    """What to commit, and how."""

    source_path: str = Field(description="Folder of the workspace; its layout is that of the repository")
    message: str = Field(description="Commit message; its first line is the title of a pull request")
    repository: RepositoryName | None = Field(
        default=None, description="Default: the platform's GitOps repository; made when it does not exist"
    )
    pull_request: bool = Field(
        default=False, description="Open a pull request in place of a commit on the default branch"
    )
    branch: str | None = Field(default=None, description="Branch of the pull request; default: named after the task")


class CommitOutput(ActionModel):
    """What came of it."""

    commit_hash: str | None = Field(description="null when nothing changed, or in a dry run")
    repo_url: str = Field(description="The repository, for people")
    clone_url: str = Field(description="The repository, for git")
    pull_request_url: str | None
    files: list[str] = Field(description="Files of the repository that were written")
    how_to_apply: str = Field(description="Markdown: the commands that apply the files")


_EXAMPLES = [
    Example(
        "Commit what other steps wrote for the GitOps repository",
        {"sourcePath": "gitops", "message": "Add service ledger"},
    ),
]


@action(
    "gitops:commit",
    description="""
    Writes a folder of the workspace into the GitOps repository, as a commit on the default branch or as a pull request.
    A team's AppProject keeps what it allowed before; a name that another team has is refused, and so are objects in a team's
    folder that are not the team's to have. Nothing changed: no commit.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def commit(ctx: ActionContext, input: CommitInput) -> CommitOutput:
    """Commit and push; again on top of others' commits when the branch moved. ConflictError for foreign names."""
    target = choose_target(ctx, input.repository.model_dump() if input.repository else None)
    if input.pull_request and target.forge.type == "local":
        raise InputError("The local git server has no pull requests: leave out `pullRequest`, or configure a forge")
    root = ctx.workspace.resolve(input.source_path)
    files = read_source(await frozen(ctx, input.source_path)) if root.is_dir() else {}
    if not files:
        raise InputError(f"sourcePath: the workspace has no files under {input.source_path}")
    argocd_namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    check_gitops_files(files, servers=_servers(ctx), argocd_namespace=argocd_namespace)
    check_team_files(files, argocd_namespace=argocd_namespace)
    if ctx.is_dry_run:
        known = await target.find()
        if known is None:
            ctx.log.info(f"Would create the GitOps repository {target.title}, with a README.md")
        for file in files:
            ctx.log.info(f"Would write {file} to {target.title}")
        return _output(None, None, files, known or Repository(target.owner, target.name, "main", "", ""))
    repository = await target.find() or await _create(ctx, target)
    branch = repository.default_branch
    if input.pull_request:
        branch = input.branch or f"understage/{re.sub(r'[^A-Za-z0-9-]', '-', ctx.task.id)}-{ctx.step.id}"
    commit_hash = await _push(ctx, input, target, repository, files, branch)
    url = None
    if input.pull_request and commit_hash is not None:
        title, _, body = input.message.partition("\n")
        opened = await target.forge.open_pull_request(
            target.owner,
            target.name,
            title=title,
            body=body.strip(),
            source_branch=branch,
            target_branch=repository.default_branch,
        )
        url = opened.url
        ctx.log.info(f"Opened pull request {url}")
    return _output(commit_hash, url, files, repository)


def _servers(ctx: ActionContext) -> set[str]:
    """The API servers that may be deployed to: those of the configured clusters, and the one Argo CD runs in."""
    known = [ctx.ports.clusters.get(name) for name in ctx.ports.clusters.names()]
    named = (ctx.defaults.get("argocdDestinationServers") or {}).values()
    return {IN_CLUSTER_SERVER, *map(str, named), *(cluster.server for cluster in known if cluster is not None)}


async def _create(ctx: ActionContext, target: Target) -> Repository:
    try:
        made = await target.forge.create_repository(
            target.owner, target.name, description="What runs where: namespaces, projects, applications"
        )
    except ConflictError:  # another task was first
        if found := await target.find():
            return found
        raise
    ctx.log.info(f"Created the GitOps repository {target.title}")
    return made


async def _push(
    ctx: ActionContext,
    input: CommitInput,
    target: Target,
    repository: Repository,
    files: Mapping[str, Path],
    branch: str,
) -> str | None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            cloned = await clone_with_commit(ctx, target, repository)
            if cloned is None:
                await _publish_readme(ctx, target, repository)
                continue
            directory, known = cloned
            before = read_texts(directory, files)
            write_files(directory, files)
            if not input.pull_request:
                where = {"host": target.forge.host, "owner": target.owner, "name": target.name}
                changes = changes_of(before, read_texts(directory, files))
                if changes:
                    await ctx.undo_by(f"commit.{attempt}", "undo:commit", {**where, "commit": known, "files": changes})
            commit_hash = await ctx.ports.git.push_changes(
                directory,
                branch=branch,
                message=input.message,
                author=author_of(ctx),
                credentials=target.forge.credentials,
            )
        except ConflictError as error:
            if "these names" in error.message or attempt == ATTEMPTS:
                raise
            ctx.log.info(f"The branch moved while it was written (attempt {attempt}), once more")
            continue
        ctx.log.info(
            f"Committed {len(files)} files to {target.title}: {commit_hash}"
            if commit_hash
            else f"{target.title} has all of it already"
        )
        return commit_hash
    raise ConflictError(f"{target.title} changes faster than it can be written: try again")


async def _publish_readme(ctx: ActionContext, target: Target, repository: Repository) -> None:
    directory = ctx.temporary_directory()
    (directory / "README.md").write_text(README.format(name=repository.name))
    await ctx.ports.git.publish(
        directory,
        repository.clone_url,
        branch=repository.default_branch,
        message="Say what this repository is",
        author=author_of(ctx),
        credentials=target.forge.credentials,
    )


def _output(
    commit_hash: str | None, pull_request_url: str | None, files: Mapping[str, Path], repository: Repository
) -> CommitOutput:
    return CommitOutput(
        commit_hash=commit_hash,
        repo_url=repository.web_url,
        clone_url=repository.clone_url,
        pull_request_url=pull_request_url,
        files=list(files),
        how_to_apply=_how_to_apply(list(files), repository, pull_request_url),
    )


def _how_to_apply(files: list[str], repository: Repository, pull_request_url: str | None) -> str:
    lines = [f"Merge {pull_request_url}, then:\n"] if pull_request_url else []
    commands = [f"git clone {repository.clone_url}", f"cd {repository.name}"]
    namespaces = [file for file in files if file.startswith(TEAMS) and "/namespaces/" in file]
    argocd = [file for file in files if file.startswith(TEAMS) and file not in namespaces]
    others = [file for file in files if not file.startswith(TEAMS) and file.endswith((".yaml", ".yml"))]
    commands += [f"kubectl apply --server-side -f {file}" for file in namespaces]
    with_argocd = [
        f"kubectl apply --server-side -f {file}" for file in sorted(argocd, key=lambda file: "/applications/" in file)
    ]
    lines.append(_block([*commands, *with_argocd]))
    if others:
        lines.append("\nWithout Argo CD, apply the rendered manifests in place of project and application:\n")
        lines.append(_block([f"kubectl apply --server-side -f {file}" for file in others]))
    return "\n".join(lines)


def _block(commands: list[str]) -> str:
    return "```sh\n" + "\n".join(commands) + "\n```"
