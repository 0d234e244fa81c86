"""The url reader, over a dict of files."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from understage.errors import NotAllowedError, NotFoundError
from understage.sdk.reader import ReadFile, ReadTree, SearchResult


@dataclass
class FakeReader:
    """Reads `files`: absolute URL to content. A host that no file is on is not allowed, as one without integration is.

    `tokens` are the tokens that reads were made with, by URL.
    """

    files: Mapping[str, bytes | str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """One file; its etag is a hash of the content."""
        self._note(url, token)
        if url not in self.files:
            raise NotFoundError(f"could not read {url}, 404 Not Found")
        content = self._content(url)
        return ReadFile(url=url, content=content, etag=hashlib.sha256(content).hexdigest())

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the files below `url` into `destination`."""
        self._note(url, token)
        prefix = url.rstrip("/") + "/"
        names = [name for name in self.files if name.startswith(prefix)]
        if not names:
            raise NotFoundError(f"could not read {url}, 404 Not Found")
        for name in names:
            path = destination / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._content(name))
        return ReadTree(directory=destination, etag="tree")

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """The file, or the files whose URLs match the glob (`*` within a segment, `**` across them)."""
        self._note(url, None)
        pattern = re.escape(url).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        matches = [name for name in self.files if re.fullmatch(pattern, name)]
        files = tuple([await self.read_url(name) for name in matches])
        found = hashlib.sha256(b"".join(file.content for file in files)).hexdigest()
        if files and found == etag:
            return SearchResult(files=(), etag=found, not_modified=True)
        return SearchResult(files=files, etag=found)

    def resolve_url(self, url: str, base: str) -> str:
        """`url` relative to `base`, as browsers do."""
        return urljoin(base, url)

    def edit_url(self, url: str) -> str | None:
        """None: no integration is known."""
        return None

    def _content(self, url: str) -> bytes:
        content = self.files[url]
        return content.encode() if isinstance(content, str) else content

    def _note(self, url: str, token: str | None) -> None:
        hosts = {urlsplit(name).netloc for name in self.files}
        if urlsplit(url).netloc not in hosts:
            raise NotAllowedError(f"Reading from '{url}' is not allowed. You may need to configure an integration")
        if token is not None:
            self.tokens[url] = token
