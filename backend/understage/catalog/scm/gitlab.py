"""What GitLab's events `push` and `repository_update` mean. Rules as in Backstage's catalog-backend-module-gitlab 0.8.8."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from understage.catalog.scm.event import ScmEvent, commits_of, require_text, text_at
from understage.catalog.scm.ledger import events_of_push


async def analyze_push(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`gitlab.push`: files of the default branch. Of a push that lists only some of its commits, the whole repository."""
    repository = require_text(payload, "project", "web_url")
    ref = require_text(payload, "ref")
    branch = text_at(payload, "project", "default_branch") or ref.removeprefix("refs/heads/")
    if ref != f"refs/heads/{branch}":
        return ()
    commits = commits_of(payload)
    total = payload.get("total_commits_count")
    return events_of_push(repository, commits, total, lambda path: f"{repository}/-/blob/{branch}/{path}")


async def analyze_repository(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`gitlab.repository_update` and the events about projects: it went, or has another address."""
    url = text_at(payload, "project", "web_url") or _change(payload, "web_url", "to", "new", "current", "after")
    before = _former_url(payload, url)
    if _is_deleted(payload):
        known = url or before
        return [ScmEvent("repository.deleted", known)] if known else ()
    if url and before and url != before:
        return [ScmEvent("repository.moved", before, url)]
    return ()


def _former_url(payload: Mapping[str, Any], url: str | None) -> str | None:
    before = _change(payload, "web_url", "from", "old", "previous", "before")
    path = (
        text_at(payload, "old_path_with_namespace")
        or _change(payload, "path_with_namespace", "from", "old", "previous", "before")
        or _change(payload, "old_path_with_namespace", "from", "old", "previous", "before")
    )
    if before or path is None or url is None:
        return before
    present = text_at(payload, "project", "path_with_namespace")
    if present and url.endswith(f"/{present}"):
        return url.removesuffix(present) + path
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{path}"


def _change(payload: Mapping[str, Any], name: str, *members: str) -> str | None:
    return next((found for member in members if (found := text_at(payload, "changes", name, member))), None)


def _is_deleted(payload: Mapping[str, Any]) -> bool:
    kind = (text_at(payload, "event_name") or "").lower()
    action = (text_at(payload, "action") or "").lower()
    return (
        any(word in kind for word in ("destroy", "delete"))
        or any(word in action for word in ("destroy", "delete", "remove"))
        or bool(text_at(payload, "deleted_at") or text_at(payload, "project", "deleted_at"))
        or bool(_change(payload, "deleted_at", "to", "new", "current", "after"))
    )
