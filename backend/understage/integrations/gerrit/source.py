"""Reading files from Gerrit: single files by its REST API, folders by the archives of gitiles."""

import base64
import binascii
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import orjson

from understage.config.integration_settings import GerritIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.reader.authorization import basic
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, quoted
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient

HASH_LENGTH = 40
BODY_PREFIX = b")]}'"
"""What Gerrit puts before its JSON, so that no browser runs it."""


class GerritSource(ForgeSource):
    """One entry of `integrations.gerrit`. With a password requests go below `/a/`, where Gerrit asks for it."""

    def __init__(self, http: HttpClient, entry: GerritIntegration) -> None:
        base = (entry.base_url or f"https://{entry.host}").rstrip("/")
        gitiles = entry.gitiles_base_url.rstrip("/")
        super().__init__(http, urlsplit(gitiles).netloc, base)
        self._entry = entry
        self._gitiles_path = urlsplit(gitiles).path
        self._prefix = "/a" if entry.password else ""
        if entry.password and not gitiles.startswith(base):
            raise InputError(
                f"integrations.gerrit of {entry.host}: gitilesBaseUrl must begin with baseUrl ({base}) when there is a password"
            )
        self._gitiles = base + self._prefix + gitiles.removeprefix(base) if gitiles.startswith(base) else gitiles

    def parse(self, url: str) -> PageUrl:
        """`<gitiles>/<project>/+/{refs/heads/<branch>|<hash>}/<path>`; the result's ref is the branch or the hash."""
        parts = urlsplit(url)
        path = parts.path[2:] if parts.path.startswith("/a/") else parts.path
        segments = [segment for segment in path.removeprefix(self._gitiles_path).split("/") if segment]
        place = segments.index("+") if "+" in segments else len(segments)
        if place == 0 or place == len(segments):
            raise InputError(f"Unable to parse gitiles url: {url}")
        project = "/".join(check_name(segment) for segment in segments[:place])
        rest = segments[place + 1 :]
        length = 3 if rest[:2] == ["refs", "heads"] else 1
        if len(rest) < length or (length == 1 and not _is_hash(rest[0])):
            kind = {"HEAD": "head", "refs": "tag"}.get(rest[0] if rest else "", "unknown")
            raise InputError(
                f"Unsupported gitiles ref type: {kind}: name a branch (refs/heads/…) or a whole commit hash"
            )
        # The URL up to the ref, as it stands: a slash in a relative URL goes on from there.
        before = parts.path.split("/+/", 1)[0]
        head = f"{parts.scheme}://{parts.netloc}{before}/+/{'/'.join(rest[:length])}"
        return PageUrl(project, check_file_path(rest[length - 1]), check_file_path("/".join(rest[length:])), head)

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The content of a file at a branch or commit, in base64."""
        path = quote(page.path, safe="")
        return Request(f"{self._project(page)}/{self._ref(page)}/files/{path}/content", self._headers())

    def content(self, answer: Answer) -> bytes:
        """The decoded body."""
        try:
            return base64.b64decode(answer.body, validate=False)
        except binascii.Error as error:
            raise ForeignError(f"{self.host} answered with content that is not base64") from error

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The branch, or the commit itself."""
        return Request(f"{self._project(page)}/{self._ref(page)}", self._headers())

    def commit(self, answer: Answer) -> str:
        """Its `revision`, or `commit` of a commit."""
        try:
            content: Any = orjson.loads(answer.body.removeprefix(BODY_PREFIX))
        except orjson.JSONDecodeError as error:
            raise ForeignError(f"{self.host} answered with a body that is not JSON") from error
        found = content.get("revision") or content.get("commit") if isinstance(content, dict) else None
        if not isinstance(found, str) or not _is_hash(found):
            raise ForeignError(f"{self.host} answered without a commit")
        return found

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The archive of just the folder."""
        folder = f"/{quoted(below)}" if below else ""
        url = f"{self._gitiles}/{page.project}/+archive/{commit}{folder}.tar.gz"
        return Archive(Request(url, self._headers()), "", strip=0)

    def resolve_url(self, url: str, base: str) -> str:
        """A leading slash is the root at the same ref."""
        return self.parse(base).head + url if url.startswith("/") else urljoin(base, url)

    def edit_url(self, url: str) -> str | None:
        """The editor of the change that a save would make."""
        if self._entry.disable_edit_url:
            return url
        page = self.parse(url)
        return f"{self.api_base_url}/admin/repos/edit/repo/{page.project}/branch/refs/heads/{page.ref}/file/{quoted(page.path)}"

    def _project(self, page: PageUrl) -> str:
        return f"{self.api_base_url}{self._prefix}/projects/{quote(page.project, safe='')}"

    def _ref(self, page: PageUrl) -> str:
        ref = page.ref or ""
        return f"commits/{ref}" if _is_hash(ref) else f"branches/{quote(ref, safe='')}"

    def _headers(self) -> dict[str, str]:
        if not self._entry.password:
            return {}
        return {"Authorization": basic(self._entry.username or "", self._entry.password)}


def _is_hash(text: str) -> bool:
    return len(text) == HASH_LENGTH and all(character in "0123456789abcdef" for character in text.lower())
