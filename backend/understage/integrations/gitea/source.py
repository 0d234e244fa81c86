"""Reading files from Gitea by its contents API."""

import base64
import binascii
from urllib.parse import quote, urlsplit

from understage.errors import ForeignError
from understage.integrations.gitea.credentials import authorization
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, page_of, quoted, text_at
from understage.platform.http import Answer, HttpClient

_KINDS = frozenset(f"{view}/{kind}" for view in ("src", "raw") for kind in ("branch", "tag", "commit"))


class GiteaSource(ForgeSource):
    """One entry of `integrations.gitea`. A password without username is a token."""

    def __init__(
        self,
        http: HttpClient,
        *,
        host: str,
        base_url: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.base_url = (base_url or f"https://{host}").rstrip("/")
        super().__init__(http, host, f"{self.base_url}/api/v1")
        self._prefix = urlsplit(self.base_url).path.strip("/")
        self._authorization = authorization(username, password)

    def parse(self, url: str) -> PageUrl:
        """`https://host/o/r/src/{branch|tag|commit}/<ref>/<path>`, or the repository alone."""
        parts = urlsplit(url)
        path = parts.path.strip("/")
        if self._prefix and (path + "/").startswith(self._prefix + "/"):
            page = page_of(parts._replace(path=path.removeprefix(self._prefix)).geturl(), 2, _KINDS, kind_length=2)
            root = f"{parts.scheme}://{parts.netloc}"
            return PageUrl(page.project, page.ref, page.path, page.head.replace(root, f"{root}/{self._prefix}", 1))
        return page_of(url, 2, _KINDS, kind_length=2)

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The contents API, JSON with base64."""
        ref = f"?ref={quote(page.ref, safe='')}" if page.ref else ""
        return Request(f"{self._repository(page)}/contents/{quoted(page.path)}{ref}", self._headers(token))

    def content(self, answer: Answer) -> bytes:
        """The decoded `content`."""
        file = answer.json()
        if not isinstance(file, dict) or file.get("type") != "file":
            raise ForeignError("the URL names a folder where a file was asked for")
        try:
            return base64.b64decode(file.get("content") or "", validate=False)
        except (binascii.Error, TypeError) as error:
            raise ForeignError(f"{self.host} answered with content that is not base64") from error

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The commit of the ref."""
        ref = quote(page.ref or "HEAD", safe="")
        return Request(f"{self._repository(page)}/git/commits/{ref}?stat=false&files=false", self._headers(token))

    def commit(self, answer: Answer) -> str:
        """Its `sha`."""
        sha = text_at(answer.json(), "sha")
        if sha is None:
            raise ForeignError(f"{self.host} answered without a commit")
        return sha

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The archive of the commit."""
        return Archive(Request(f"{self._repository(page)}/archive/{commit}.tar.gz", self._headers(token)), below)

    def edit_url(self, url: str) -> str | None:
        """The `_edit` page."""
        page = self.parse(url)
        if page.ref is None:
            return url
        return f"{self.base_url}/{page.project}/_edit/{quoted(page.ref)}/{quoted(page.path)}"

    def _repository(self, page: PageUrl) -> str:
        return f"{self.api_base_url}/repos/{page.project}"

    def _headers(self, token: str | None) -> dict[str, str]:
        known = f"token {token}" if token else self._authorization
        return {"Authorization": known} if known else {}
