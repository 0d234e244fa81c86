"""`gitops:rollback`: an environment of a service gets back what it had, by Git.

Argo CD refuses its own rollback while it syncs by itself, and self-healing would undo one made by hand: what runs is what Git
says. So the values file of the environment goes back to what it was when Argo CD deployed it before.
"""

import re
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, Example, InputError, action
from understage.sdk.argocd import sources_of
from understage_actions._environment_change import (
    EnvironmentInput,
    EnvironmentOutput,
    Environments,
    describe_changes,
    list_changes,
    open_environments,
)
from understage_actions._environment_values import (
    changed_text,
    differences,
    images_in,
    laid_over,
    read_values,
    value_at,
)
from understage_actions._kubernetes_names import check_label

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class RollbackInput(EnvironmentInput):
    """Which environment, to what."""

    environment: str = Field(description="The environment that goes back")
    revision: str | None = Field(
        default=None,
        description="Commit of the service's repository that was deployed; default: the last one that had other values",
    )


class RollbackOutput(EnvironmentOutput):
    """What came of it."""

    revision: str = Field(description="The commit whose values the environment gets")


@action(
    "gitops:rollback",
    description="""
    Rolls an environment of a service back: its values file becomes what it was in an earlier deployment that Argo CD remembers,
    images included, as a pull request, or at once with `pullRequest: false`. By Git, because Argo CD heals what is rolled back by
    hand.
    """,
    examples=[
        Example(
            "Production as it was before",
            {"service": "ledger", "team": "group:default/payments", "environment": "production"},
        ),
        Example(
            "At once, without a review",
            {"service": "ledger", "team": "payments", "environment": "production", "pullRequest": False},
        ),
    ],
    supports_dry_run=True,
)
async def rollback(ctx: ActionContext, input: RollbackInput) -> RollbackOutput:
    """Find what was deployed before, write it. NotFoundError or ConflictError as `gitops:promote`."""
    name = check_label(input.environment, "environment")
    if input.revision is not None and not COMMIT.fullmatch(input.revision):
        raise InputError(
            "revision must be the whole hash of a commit: `understage service status` and Argo CD show them"
        )
    environments = await open_environments(ctx, input)
    text = environments.need(name)
    _, application = await environments.application(name)
    deployed = _deployed(application, environments.repository.clone_url)
    if input.revision is not None and input.revision not in deployed:
        raise InputError(f"revision {input.revision} was not deployed to {name}, as far as Argo CD remembers")
    for revision in [input.revision] if input.revision is not None else deployed[1:]:
        earlier = await _text_at(environments, name, revision)
        if earlier is not None and earlier != text.decode():
            return await _write(environments, name, revision, text, earlier)
    raise InputError(
        f"{name} had no other values in the deployments that Argo CD remembers: there is nothing to go back to"
    )


async def _write(environments: Environments, name: str, revision: str, text: bytes, earlier: str) -> RollbackOutput:
    file = environments.file(name)
    now, then = (_leaves(read_values(each, file)) for each in (text, earlier.encode()))
    told = {path: (now.get(path), value) for path, value in differences(then, now).items()}
    for path, (before, after) in told.items():
        environments.ctx.log.info(f"{'.'.join(path)}: {before} -> {after}")
    commit, branch, url = await environments.write(
        name,
        earlier,
        verb="rollback",
        title=f"Roll {environments.service} in {name} back to {revision[:8]}",
        body=(
            f"{describe_changes(told, f'{name} now', 'as it was')}\n\nThe values of commit {revision}, which Argo CD deployed "
            "before. Chart and source stay as they are."
        ),
    )
    return RollbackOutput(
        changes=list_changes(told),
        file=file,
        commit_hash=commit,
        branch=branch,
        pull_request_url=url,
        revision=revision,
    )


async def _text_at(environments: Environments, name: str, revision: str) -> str | None:
    """The environment's values file as it was; images that the values of all environments named then are named in it."""
    file, shared = environments.file(name), environments.input.base_values
    files = await environments.ctx.ports.git.read_files(
        environments.repository.clone_url, revision, [file, shared], credentials=environments.forge.credentials
    )
    if file not in files:
        return None
    values = read_values(files[file], file)
    ran = images_in(laid_over(read_values(files.get(shared), shared), values))
    would_run = images_in(laid_over(read_values(environments.read(shared), shared), values))
    pinned = differences(ran, would_run)
    return changed_text(files[file], pinned) if pinned else files[file].decode()


def _deployed(application: dict[str, Any], repo_url: str) -> list[str]:
    """The commits of the repository that were deployed, newest first, each once."""
    found: list[str] = []
    for entry in reversed((application.get("status") or {}).get("history") or []):
        revisions = entry.get("revisions") or [entry.get("revision")]
        for source, revision in zip(sources_of(entry), revisions, strict=False):
            if source.get("repoURL") == repo_url and COMMIT.fullmatch(str(revision)) and revision not in found:
                found.append(str(revision))
    return found


def _leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is no map, by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for key in values:
        value, here = value_at(values, (key,)), (*path, str(key))
        found |= _leaves(value, here) if isinstance(value, dict) and value else {here: value}
    return found
