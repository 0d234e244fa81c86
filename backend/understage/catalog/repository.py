"""Which integration a URL belongs to, and which repository it names. Asked by the analysis of locations and by processors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

_IMPLICIT_HOSTS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "dev.azure.com": "azure",
    "bitbucket.org": "bitbucketCloud",
}
_NOT_REPOSITORY = frozenset(("-", "blob", "tree", "raw", "src", "edit"))


@dataclass(frozen=True)
class Repository:
    """`owner` may hold groups below each other, and is empty for a URL with one segment; `type` is the integration's."""

    type: str | None
    owner: str
    name: str

    @property
    def slug(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


def integration_type(url: str, integrations: Mapping[str, Any]) -> str | None:
    """The kind of integration that has the URL's host; `integrations` is that section of app-config."""
    host = urlsplit(url).netloc.lower()
    for kind, entries in integrations.items():
        if not isinstance(entries, list):
            continue
        if any(isinstance(entry, dict) and str(entry.get("host", "")).lower() == host for entry in entries):
            return kind
    return _IMPLICIT_HOSTS.get(host)


def repository_of(url: str, integrations: Mapping[str, Any]) -> Repository | None:
    """The repository of a page URL, by what stands before that which only pages of a repository have; None without a path."""
    kind = integration_type(url, integrations)
    parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    if kind == "azure" and "_git" in parts:
        place = parts.index("_git")
        parts = [*parts[max(0, place - 1) : place], *parts[place + 1 : place + 2]]
    elif kind == "bitbucketServer" and "repos" in parts:
        place = parts.index("repos")
        parts = [*parts[max(0, place - 1) : place], *parts[place + 1 : place + 2]]
    else:
        end = next(
            (index for index, part in enumerate(parts) if part in _NOT_REPOSITORY and index >= 2),
            len(parts),
        )
        parts = parts[:end]
    if not parts:
        return None
    return Repository(kind, "/".join(parts[:-1]), parts[-1].removesuffix(".git"))
