"""Reading files and trees by URL: the port the catalog's url reader and the fetch actions share.

`integrations.reader` implements it for the configured forges, `backend.reading.allow` hosts and the local git server.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ReadFile:
    """One file. `url` is where it was read, with globs resolved; `etag` is opaque."""

    url: str
    content: bytes
    etag: str | None = None


@dataclass(frozen=True)
class ReadTree:
    """A tree that was written to a folder; `etag` is opaque (a commit, usually)."""

    directory: Path
    etag: str | None = None


@dataclass(frozen=True)
class SearchResult:
    """The files a URL (with or without glob) stands for. `not_modified` means: as at the given etag, `files` is empty."""

    files: tuple[ReadFile, ...]
    etag: str | None = None
    not_modified: bool = False


class UrlReader(Protocol):
    """Reads by URL under the host rules of the configuration.

    All methods raise NotAllowedError for a host that neither an integration nor `backend.reading.allow` names,
    NotFoundError where nothing is, and ForeignError for other failures.
    """

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file."""

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the tree below `url` into `destination` (which exists and is empty)."""

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file, or the files that match the glob in `url`; a missing file gives no files."""

    def resolve_url(self, url: str, base: str) -> str:
        """`url` relative to `base`: absolute URLs stay; a leading slash means the repository's root at the same ref."""

    def edit_url(self, url: str) -> str | None:
        """Where a person edits the file; None when no integration knows."""
