"""Files of hosts that no integration knows, as far as `backend.reading.allow` names them. The last source that is asked."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError, NotImplementedError_
from understage.platform.http import AllowRule, HttpClient, parse_url
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

FILE_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True)
class PlainSource:
    """A `Source` by plain GET requests."""

    http: HttpClient
    rules: tuple[AllowRule, ...]

    def covers(self, url: str) -> bool:
        """Whether a rule allows the URL."""
        try:
            return self._allows(parse_url(url))
        except InputError:
            return False

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file; `token` is sent as a bearer token. Redirects are held to the same rules."""
        file = await self._get(url, {"Authorization": f"Bearer {token}"} if token else {})
        assert file is not None
        return file

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Always NotImplementedError_: a plain web server has no trees."""
        raise NotImplementedError_(
            f"{urlsplit(url).netloc} has no integration, so only single files can be read from it"
        )

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file. Raises InputError for a glob."""
        if any(character in urlsplit(url).path for character in "*?"):
            raise InputError(f"Unsupported search pattern URL: {url}")
        try:
            file = await self._get(url, {"If-None-Match": etag} if etag else {})
        except NotFoundError:
            return SearchResult(files=())
        if file is None or (etag is not None and file.etag == etag):
            return SearchResult(files=(), etag=etag, not_modified=True)
        return SearchResult(files=(file,), etag=file.etag)

    def resolve_url(self, url: str, base: str) -> str:
        """As browsers do."""
        return urljoin(base, url)

    def edit_url(self, url: str) -> str | None:
        """None: a plain web server has no editor."""
        return None

    async def _get(self, url: str, headers: dict[str, str]) -> ReadFile | None:
        if not self.covers(url):
            raise NotAllowedError(f"URL not allowed by backend.reading.allow configuration: {url}")
        answer = await self.http.request("GET", url, headers=headers, max_bytes=FILE_LIMIT, allows=self._allows)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return None
        if answer.status >= 400:
            error = NotFoundError if answer.status == HTTPStatus.NOT_FOUND else ForeignError
            reason = next((status.phrase for status in HTTPStatus if status == answer.status), "")
            raise error(f"could not read {url}, {answer.status} {reason}".rstrip())
        return ReadFile(url=url, content=answer.body, etag=answer.headers.get("etag"))

    def _allows(self, url: httpx.URL) -> bool:
        return any(rule.allows(url) for rule in self.rules)
