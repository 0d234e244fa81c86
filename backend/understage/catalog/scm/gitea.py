"""What Gitea's events mean. They look like GitHub's; the stock backend has no bridge for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.catalog.scm.event import ScmEvent, commits_of, require_text, text_at
from understage.catalog.scm.ledger import events_of_push


async def analyze_push(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`gitea.push`: files of the default branch. Of a push that lists only some of its commits, the whole repository."""
    repository = require_text(payload, "repository", "html_url")
    branch = require_text(payload, "repository", "default_branch")
    if text_at(payload, "ref") != f"refs/heads/{branch}":
        return ()
    # Newest first, unlike GitHub's.
    commits = list(reversed(commits_of(payload)))
    total = payload.get("total_commits")
    return events_of_push(repository, commits, total, lambda path: f"{repository}/src/branch/{branch}/{path}")


async def analyze_repository(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`gitea.repository`: it came or went."""
    url = require_text(payload, "repository", "html_url")
    match text_at(payload, "action"):
        case "created":
            return [ScmEvent("repository.created", url)]
        case "deleted":
            return [ScmEvent("repository.deleted", url)]
    return ()
