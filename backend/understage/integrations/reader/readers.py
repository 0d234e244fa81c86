"""The port `UrlReader`: the first source that covers a URL reads it. Called by the catalog's processors and the fetch actions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from understage.errors import InputError, NotAllowedError
from understage.integrations.reader.source import Source
from understage.platform.http import parse_url
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class UrlReaders:
    """Implements `understage.sdk.UrlReader` over `sources`, asked in order. Only http and https URLs are read."""

    sources: Sequence[Source]

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file."""
        return await self._source(url).read_url(url, token=token)

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the tree below `url` into `destination`."""
        return await self._source(url).read_tree(url, destination, token=token)

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file, or the files that match the glob in `url`."""
        return await self._source(url).search(url, etag=etag)

    def resolve_url(self, url: str, base: str) -> str:
        """`url` relative to `base`. Raises InputError for a base of another scheme than http and https."""
        if _SCHEME.match(url):
            return url
        if not base.startswith(("http://", "https://")):
            raise InputError(f"the relative URL {url} cannot be resolved: {base} is no http or https URL")
        source = self._checked(base)
        return source.resolve_url(url, base) if source else urljoin(base, url)

    def edit_url(self, url: str) -> str | None:
        """Where a person edits the file; None when no integration knows."""
        try:
            source = self._checked(url)
            return source.edit_url(url) if source else None
        except InputError:
            return None

    def _source(self, url: str) -> Source:
        source = self._checked(url)
        if source is None:
            raise NotAllowedError(
                f"Reading from '{url}' is not allowed. You may need to configure an integration for the target host, "
                "or add it to the configured list of allowed hosts at 'backend.reading.allow'"
            )
        return source

    def _checked(self, url: str) -> Source | None:
        """The source of a URL, None when there is none. Raises InputError for what is no http or https URL."""
        parse_url(_plain(url))
        return next((source for source in self.sources if source.covers(url)), None)


def _plain(url: str) -> str:
    """The URL to check: globs hold characters that paths have no place for, and people leave blanks in them unencoded."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    path = path.translate({ord(character): None for character in "{}[]"}).replace(" ", "%20")
    return f"{scheme}{separator}{authority}{slash}{path}"
