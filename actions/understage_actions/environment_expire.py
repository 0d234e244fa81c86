"""`environment:expire`: environments and databases whose time is over leave the GitOps repository.

Called by the service by itself (`understage.environments`), by `understage environment expire`, and as a step.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, Repository, action
from understage_actions._expiry import Lasting, Survey, remove, survey
from understage_actions._gitops_repository import Target, choose_target, clone
from understage_actions._publishing import author_of
from understage_actions._repository_name import RepositoryName
from understage_actions._time_to_live import read_time, write_time

ATTEMPTS = 5


class ExpireInput(ActionModel):
    """Where, as of when, and how."""

    repository: RepositoryName | None = Field(default=None, description="Default: the platform's GitOps repository")
    at: str | None = Field(
        default=None, description="As of this time, in UTC as 2030-01-31T08:00:00Z; default: now. Not later than now"
    )
    pull_request: bool = Field(
        default=False, description="Open a pull request in place of a commit on the default branch"
    )


class Ending(ActionModel):
    """An environment or a database, and its end."""

    kind: str = Field(description="environment or database")
    team: str
    name: str
    path: str = Field(description="Folder or file of the GitOps repository")
    expires_at: str
    owner: str


class ExpireOutput(ActionModel):
    """What ended, and what is still to end."""

    expired: list[Ending] = Field(description="Removed, or to be removed by the pull request")
    remaining: list[Ending] = Field(description="Their time is not over")
    problems: list[str] = Field(description="What could not be read, and stays")
    commit_hash: str | None = Field(description="null when nothing ended, or in a dry run")
    pull_request_url: str | None


@dataclass(frozen=True)
class _Pushed:
    commit_hash: str | None = None
    pull_request_url: str | None = None


@action(
    "environment:expire",
    description="""
    Removes environments and databases whose time to live is over from the GitOps repository, by a commit or a pull request;
    Argo CD then removes what they were. Nothing else is touched. What cannot be read stays, and is told.
    """,
    examples=[
        Example("What is over now", {}),
        Example("As a pull request, for somebody to look at", {"pullRequest": True}),
    ],
    supports_dry_run=True,
)
async def expire(ctx: ActionContext, input: ExpireInput) -> ExpireOutput:
    """Look, remove, commit; again when the branch moved meanwhile."""
    at = _time(input.at)
    target = choose_target(ctx, input.repository.model_dump() if input.repository else None)
    if input.pull_request and target.forge.type == "local":
        raise InputError("The local git server has no pull requests: leave out `pullRequest`, or configure a forge")
    repository = await target.find()
    for attempt in range(1, ATTEMPTS + 1):
        directory = await clone(ctx, target, repository) if repository is not None else None
        if repository is None or directory is None:
            ctx.log.info(f"There is no GitOps repository {target.title} yet, or nothing in it")
            return _output(Survey((), ()), (), _Pushed())
        found = await asyncio.to_thread(survey, directory)
        ended = [lasting for lasting in found.found if lasting.expires_at <= at]
        _tell(ctx, found, ended)
        if not ended or ctx.is_dry_run:
            return _output(found, ended, _Pushed())
        await asyncio.to_thread(remove, directory, ended)
        try:
            pushed = await _push(ctx, target, repository, directory, ended, by_pull_request=input.pull_request)
        except ConflictError:
            if attempt == ATTEMPTS:
                raise
            ctx.log.info(f"The branch moved while it was written (attempt {attempt}), once more")
            continue
        return _output(found, ended, pushed)
    raise ConflictError(f"{target.title} changes faster than it can be written: try again")


def _time(text: str | None) -> datetime:
    now = datetime.now(UTC)
    if text is None:
        return now
    at = read_time(text)
    if at > now:
        raise InputError(f"at {text} is in the future: nothing is removed before its time")
    return at


def _tell(ctx: ActionContext, found: Survey, ended: Sequence[Lasting]) -> None:
    for problem in found.problems:
        ctx.log.warn(f"{problem}; it stays")
    for lasting in ended:
        verb = "Would remove" if ctx.is_dry_run else "Removing"
        ctx.log.info(f"{verb} {_describe(lasting)}: {lasting.path}")
    ctx.log.info(f"{len(ended)} of {len(found.found)} have ended")


def _describe(lasting: Lasting) -> str:
    return (
        f"{lasting.kind} {lasting.name} of team {lasting.team}, owned by {lasting.owner}, which ended "
        f"{write_time(lasting.expires_at)}"
    )


async def _push(
    ctx: ActionContext,
    target: Target,
    repository: Repository,
    directory: Path,
    ended: Sequence[Lasting],
    *,
    by_pull_request: bool,
) -> _Pushed:
    title = "Remove what has ended: " + ", ".join(lasting.name for lasting in ended[:5])
    title += f" and {len(ended) - 5} more" if len(ended) > 5 else ""
    body = "\n".join(f"- {_describe(lasting)}" for lasting in ended)
    paths = "\n".join(f"{lasting.path} {write_time(lasting.expires_at)}" for lasting in ended)
    branch = repository.default_branch
    if by_pull_request:
        # The same ends give the same branch, so that an open pull request is found again.
        branch = f"understage/expire-{hashlib.sha256(paths.encode()).hexdigest()[:12]}"
    try:
        commit_hash = await ctx.ports.git.push_changes(
            directory,
            branch=branch,
            message=f"{title}\n\n{body}\n",
            author=author_of(ctx),
            credentials=target.forge.credentials,
        )
    except ConflictError:
        if not by_pull_request:
            raise
        # The branch is there from an earlier run, made on top of an older default branch.
        commit_hash = None
    if not by_pull_request:
        ctx.log.info(f"Committed to {target.title}: {commit_hash}")
        return _Pushed(commit_hash)
    opened = await target.forge.open_pull_request(
        target.owner,
        target.name,
        title=title,
        body=body,
        source_branch=branch,
        target_branch=repository.default_branch,
    )
    ctx.log.info(f"The pull request is {opened.url}")
    return _Pushed(commit_hash, opened.url)


def _output(found: Survey, ended: Sequence[Lasting], pushed: _Pushed) -> ExpireOutput:
    return ExpireOutput(
        expired=[_ending(lasting) for lasting in ended],
        remaining=[_ending(lasting) for lasting in found.found if lasting not in ended],
        problems=list(found.problems),
        commit_hash=pushed.commit_hash,
        pull_request_url=pushed.pull_request_url,
    )


def _ending(lasting: Lasting) -> Ending:
    return Ending(
        kind=lasting.kind,
        team=lasting.team,
        name=lasting.name,
        path=lasting.path,
        expires_at=write_time(lasting.expires_at),
        owner=lasting.owner,
    )
