"""What Bitbucket Cloud's events mean. Its pushes do not name files, so a push is news of the whole repository.

Rules as in Backstage's catalog-backend-module-bitbucket-cloud 0.5.15.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.catalog.scm.event import ScmEvent, require_text, text_at


async def analyze_push(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`bitbucketCloud.repo:push`."""
    return [ScmEvent("repository.updated", _url(payload))]


async def analyze_update(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`bitbucketCloud.repo:updated` and `bitbucketCloud.repo:transfer`: another address, or something else."""
    url = _url(payload)
    full_name = text_at(payload, "changes", "full_name", "old")
    before = text_at(payload, "changes", "links", "old", "html", "href") or (
        f"https://bitbucket.org/{full_name}" if full_name else url
    )
    return [ScmEvent("repository.updated", url) if before == url else ScmEvent("repository.moved", before, url)]


async def analyze_deletion(payload: Mapping[str, Any]) -> Sequence[ScmEvent]:
    """`bitbucketCloud.repo:deleted`."""
    return [ScmEvent("repository.deleted", _url(payload))]


def _url(payload: Mapping[str, Any]) -> str:
    return require_text(payload, "repository", "links", "html", "href")
