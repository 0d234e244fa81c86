"""The events that the catalog acts on, whichever forge they come from; and reading what a forge sent without trusting it.

Made by `scm.github`, `scm.gitlab`, `scm.gitea` and `scm.bitbucket_cloud`, taken by `providers.scm_refresh` and
`providers.scm_locations`; the providers of the forges read what was sent in the same way. Types as in Backstage's
catalog-node 2.2.5.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from understage.errors import InputError
from understage.model.members import member_at

ScmEventType = Literal[
    "location.created",
    "location.updated",
    "location.deleted",
    "location.moved",
    "repository.created",
    "repository.updated",
    "repository.deleted",
    "repository.moved",
]
MOST_COMMITS = 2048
"""A push of so many commits is cut off by the forge: what it lists is not all that happened."""


@dataclass(frozen=True, slots=True)
class ScmEvent:
    """One event. `url` is the page of a file or a repository, for a move the one before; `to_url` the one after."""

    type: ScmEventType
    url: str
    to_url: str = ""


Analyze = Callable[[Mapping[str, Any]], Awaitable[Sequence[ScmEvent]]]
"""What a payload means. Raises InputError for one that cannot be what its topic says."""


def is_relevant(path: str) -> bool:
    """Whether a file may hold entities."""
    return path.endswith((".yaml", ".yml"))


def names_repository(url: str) -> bool:
    """Whether a URL names at least a host, an owner and a repository: nothing shorter may mean all that is below it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        bool(parts.netloc) and len([part for part in parts.path.split("/") if part]) >= 2 and not set("?#") & set(url)
    )


def text_at(payload: Mapping[str, Any], *path: str) -> str | None:
    """The text at a path of members; None where there is none, or an empty one."""
    value = member_at(payload, *path)
    return value if isinstance(value, str) and value else None


def require_text(payload: Mapping[str, Any], *path: str) -> str:
    """As `text_at`. Raises InputError where there is none."""
    value = text_at(payload, *path)
    if value is None:
        raise InputError(f"the event has no {'.'.join(path)}")
    return value


def commits_of(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The commits of a push, oldest first. Raises InputError when they are none."""
    commits = payload.get("commits") or []
    if not isinstance(commits, list) or not all(isinstance(commit, Mapping) for commit in commits):
        raise InputError("the payload has no list of commits")
    return commits


def paths_of(commit: Mapping[str, Any], member: str) -> list[str]:
    """The files that a commit added, removed or modified, those that may hold entities."""
    paths = commit.get(member) or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise InputError(f"a commit has no list of paths at {member}")
    return [path for path in paths if is_relevant(path)]
