"""What a source of files is: one host of one kind. Implemented per forge; asked by `readers.UrlReaders`."""

from pathlib import Path
from typing import Protocol

from understage.sdk.reader import ReadFile, ReadTree, SearchResult


class Source(Protocol):
    """Reads URLs of one host. Errors as `understage.sdk.UrlReader` has them."""

    def covers(self, url: str) -> bool:
        """Whether the URL is this source's."""

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file."""

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the tree below `url` into the empty `destination`."""

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file or the files that match; a missing file gives no files."""

    def resolve_url(self, url: str, base: str) -> str:
        """The relative `url`, seen from `base`."""

    def edit_url(self, url: str) -> str | None:
        """Where a person edits the file."""
