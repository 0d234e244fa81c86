"""Reading files from GitHub by the contents API, or from its raw host where neither token nor API URL asks for more."""

import httpx

from understage.errors import ForeignError
from understage.integrations.github.credentials import GithubCredentials
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, page_of, quoted, text_at
from understage.platform.http import Answer, HttpClient, origin_of

_KINDS = frozenset(("blob", "raw", "tree", "edit"))


class GithubSource(ForgeSource):
    """One entry of `integrations.github`. Refs are one segment long: branches with a slash are unsupported, as in Backstage.

    `apps` signs in where GitHub Apps are configured, before `token`.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        host: str = "github.com",
        api_base_url: str | None = None,
        raw_base_url: str | None = None,
        token: str | None = None,
        apps: GithubCredentials | None = None,
    ) -> None:
        is_public = host == "github.com"
        super().__init__(
            http, host, api_base_url or ("https://api.github.com" if is_public else f"https://{host}/api/v3")
        )
        self._raw = (raw_base_url or ("https://raw.githubusercontent.com" if is_public else "")).rstrip("/")
        self._token = token
        self._apps = apps

    async def sign_in(self, page: PageUrl) -> str | None:
        """The token of the app that is installed for the repository's owner."""
        if self._apps is None:
            return None
        owner, _, repository = page.project.partition("/")
        found = await self._apps.find(owner, repository)
        return found.token if found else None

    def parse(self, url: str) -> PageUrl:
        """`https://host/o/r/{blob|raw|tree|edit}/<ref>/<path>`, or the repository alone."""
        return page_of(url, 2, _KINDS)

    def covers_request(self, url: httpx.URL) -> bool:
        """Archives come from codeload, raw files from the raw host."""
        origins = {origin_of(self._raw)} if self._raw else set()
        return self.may_follow(url) or origin_of(url) in origins

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The contents API with a token or without a raw host, else the raw host."""
        if not (token or self._token) and self._raw:
            return Request(f"{self._raw}/{page.project}/{quoted(page.ref or 'HEAD')}/{quoted(page.path)}", {})
        query = f"?ref={quoted(page.ref)}" if page.ref else ""
        return Request(
            f"{self.api_base_url}/repos/{page.project}/contents/{quoted(page.path)}{query}",
            self._headers(token, "application/vnd.github.v3.raw"),
        )

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The commits API."""
        ref = quoted(page.ref or "HEAD")
        return Request(f"{self.api_base_url}/repos/{page.project}/commits/{ref}", self._headers(token))

    def commit(self, answer: Answer) -> str:
        """Its `sha`."""
        sha = text_at(answer.json(), "sha")
        if sha is None:
            raise ForeignError(f"{self.host} answered without a commit")
        return sha

    def tree_request(self, page: PageUrl, commit: str, token: str | None) -> Request:
        """The git trees API."""
        return Request(
            f"{self.api_base_url}/repos/{page.project}/git/trees/{commit}?recursive=true", self._headers(token)
        )

    def tree(self, answer: Answer) -> dict[str, int] | None:
        """Its blobs; GitHub says when there are too many of them."""
        found = answer.json()
        entries = found.get("tree") if isinstance(found, dict) and not found.get("truncated") else None
        if not isinstance(entries, list):
            return None
        return {entry["path"]: int(entry.get("size") or 0) for entry in entries if entry.get("type") == "blob"}

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The tarball API; redirects to codeload."""
        return Archive(
            Request(f"{self.api_base_url}/repos/{page.project}/tarball/{commit}", self._headers(token)), below
        )

    def describe(self, url: str, asked: str) -> str:
        """GitHub's reader names the request."""
        return f"Request failed for {asked}"

    def resolve_url(self, url: str, base: str) -> str:
        """As everywhere, and the result is a `tree` URL, as in Backstage."""
        resolved = super().resolve_url(url, base)
        return _as(resolved, "tree")

    def edit_url(self, url: str) -> str | None:
        """The page's `edit` form."""
        return _as(url, "edit")

    def _headers(self, token: str | None, accept: str = "application/vnd.github.v3+json") -> dict[str, str]:
        known = token or self._token
        return {"Accept": accept, **({"Authorization": f"Bearer {known}"} if known else {})}


def _as(url: str, kind: str) -> str:
    """The page URL with another kind in its third segment."""
    parts = url.split("/")
    if len(parts) > 5 and parts[5] in _KINDS:
        parts[5] = kind
    return "/".join(parts)
