"""What GitHub's webhooks `push` and `repository` mean. Rules as in Backstage's catalog-backend-module-github 0.14.0.

A push that adds some files and removes others may have renamed them. Only the commits themselves tell: they are read by a
`ReadCommit`, where GitHub can be asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from understage.catalog.scm.event import (
    MOST_COMMITS,
    ScmEvent,
    commits_of,
    paths_of,
    require_text,
    text_at,
)
from understage.catalog.scm.ledger import Ledger
from understage.errors import InputError, UnderstageError

log = structlog.get_logger(__name__)


class ReadCommit(Protocol):
    """Asks the forge what a commit did. Raises an UnderstageError when it cannot say."""

    async def __call__(self, repository_url: str, commit_id: str) -> Sequence[tuple[str, str, str | None]]:
        """Status (`added`, `removed`, `modified`, `renamed`, …), path and former path of each file of a commit."""


class GithubAnalyzer:
    """Analyzes payloads; `read_commit` is None where GitHub is not asked."""

    def __init__(self, read_commit: ReadCommit | None = None) -> None:
        self._read_commit = read_commit

    async def push(self, payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
        """`github.push`: files of the default branch."""
        repository = require_text(payload, "repository", "html_url")
        branch = require_text(payload, "repository", "default_branch")
        commits = commits_of(payload)
        if len(commits) >= MOST_COMMITS:
            log.warning("a push is too large to be told what it changed", repository=repository, commits=len(commits))
            return ()
        if text_at(payload, "ref") != f"refs/heads/{branch}":
            return ()
        ledger = await self._ledger(repository, commits)
        return ledger.events(lambda path: f"{repository}/blob/{branch}/{path}")

    async def repository(self, payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
        """`github.repository`: the repository as a whole."""
        url = require_text(payload, "repository", "html_url")
        match text_at(payload, "action"):
            case "created":
                return [ScmEvent("repository.created", url)]
            case "deleted":
                return [ScmEvent("repository.deleted", url)]
            case "archived" | "unarchived" | "privatized" | "publicized":
                return [ScmEvent("repository.updated", url)]
            case "renamed":
                owner = require_text(payload, "repository", "owner", "html_url")
                before = require_text(payload, "changes", "repository", "name", "from")
                return [ScmEvent("repository.moved", f"{owner}/{before}", url)]
            case "transferred":
                return [ScmEvent("repository.moved", f"{_former_owner(payload, url)}/{_name(payload)}", url)]
            case "edited" if former := text_at(payload, "changes", "default_branch", "from"):
                branch = require_text(payload, "repository", "default_branch")
                return [ScmEvent("repository.moved", f"{url}/blob/{former}", f"{url}/blob/{branch}")]
        return ()

    async def _ledger(self, repository: str, commits: Sequence[Mapping[str, Any]]) -> Ledger:
        relevant = [
            commit for commit in commits if any(paths_of(commit, each) for each in ("added", "removed", "modified"))
        ]
        adds = any(paths_of(commit, "added") for commit in relevant)
        removes = any(paths_of(commit, "removed") for commit in relevant)
        if adds and removes and self._read_commit is not None:
            try:
                return await self._read(self._read_commit, repository, relevant)
            except UnderstageError as error:
                log.warning(
                    "the commits of a push could not be read; a renamed file counts as removed and added",
                    repository=repository,
                    reason=error.message,
                )
        ledger = Ledger()
        for commit in relevant:
            ledger.note_commit(commit)
        return ledger

    async def _read(self, read: ReadCommit, repository: str, commits: Sequence[Mapping[str, Any]]) -> Ledger:
        ledger = Ledger()
        for commit in commits:
            for status, path, former in await read(repository, require_text(commit, "id")):
                match status:
                    case "added":
                        ledger.add(path)
                    case "removed":
                        ledger.remove(path)
                    case "renamed" if former:
                        ledger.rename(former, path)
                    case "changed" | "modified":
                        ledger.change(path)
        return ledger


def _name(payload: Mapping[str, Any]) -> str:
    return require_text(payload, "repository", "name")


def _former_owner(payload: Mapping[str, Any], url: str) -> str:
    """The page of the owner before a transfer; some servers tell only the name."""
    for kind in ("user", "organization"):
        page = text_at(payload, "changes", "owner", "from", kind, "html_url")
        login = text_at(payload, "changes", "owner", "from", kind, "login")
        if page or login:
            return page or f"{url.rsplit('/', 2)[0]}/{login}"
    raise InputError("the payload does not say who owned the repository before")
