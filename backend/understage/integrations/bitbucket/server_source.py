"""Reading files from Bitbucket Server (Data Center) by its REST API. Its URLs name the ref in the query."""

from urllib.parse import parse_qs, quote, urlencode, urlsplit

from understage.config.integration_settings import BitbucketServerIntegration
from understage.errors import ForeignError, InputError, NotFoundError
from understage.integrations.bitbucket.cloud_source import ETAG_LENGTH
from understage.integrations.reader.authorization import basic
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, quoted, text_at
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient

_VIEWS = frozenset(("browse", "raw", "src"))
_OWNERS = frozenset(("projects", "users"))


class BitbucketServerSource(ForgeSource):
    """One entry of `integrations.bitbucketServer`."""

    def __init__(self, http: HttpClient, entry: BitbucketServerIntegration) -> None:
        super().__init__(http, entry.host, entry.api_base_url or f"https://{entry.host}/rest/api/1.0")
        self._entry = entry

    def parse(self, url: str) -> PageUrl:
        """`https://host/{projects|users}/P/repos/r/{browse|raw|src}/<path>?at=<ref>`, or the repository alone."""
        parts = urlsplit(url)
        segments = [segment for segment in parts.path.split("/") if segment]
        start = next((index for index, part in enumerate(segments) if part in _OWNERS), len(segments))
        inside = segments[start:]
        if len(inside) < 4 or inside[2] != "repos":
            raise InputError(f"Incorrect URL: {url}, Invalid Bitbucket Server URL or file path")
        owner = check_name(inside[1])
        project = f"{'~' if inside[0] == 'users' else ''}{owner}/{check_name(inside[3])}"
        rest = inside[4:]
        if rest and rest[0] not in _VIEWS:
            raise InputError(f"Incorrect URL: {url}, Invalid Bitbucket Server URL or file path")
        root = "/".join([f"{parts.scheme}://{parts.netloc}", *segments[: start + 4]])
        ref = parse_qs(parts.query).get("at", [""])[0]
        path = check_file_path("/".join(rest[1:]))
        return PageUrl(
            project, ref or None, path, f"{root}/{rest[0] if rest else 'browse'}", f"?{parts.query}" if ref else ""
        )

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The raw file of a ref."""
        ref = f"?at={quote(page.ref, safe='')}" if page.ref else ""
        return Request(f"{self._repository(page)}/raw/{quoted(page.path)}{ref}", self._headers(token))

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The newest commit of the ref; it may be a branch, a tag or a commit."""
        ref = f"&until={quote(page.ref, safe='')}" if page.ref else ""
        return Request(f"{self._repository(page)}/commits?limit=1{ref}", self._headers(token))

    def commit(self, answer: Answer) -> str:
        """The beginning of its `id`."""
        content = answer.json()
        if isinstance(content, dict) and content.get("values") == []:
            raise NotFoundError("the repository has no such ref, or no commits")
        found = text_at(content, "values", 0, "id")
        if found is None:
            raise ForeignError(f"{self.host} answered without commits")
        return found[:ETAG_LENGTH]

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The folder in an archive of the ref, or of the commit for the default branch."""
        prefix = page.project.replace("/", "-")
        query = {"format": "tgz", "at": page.ref or commit, "prefix": prefix, **({"path": below} if below else {})}
        return Archive(Request(f"{self._repository(page)}/archive?{urlencode(query)}", self._headers(token)), below)

    def edit_url(self, url: str) -> str | None:
        """The page, whatever its ref."""
        return url.partition("?")[0]

    def _repository(self, page: PageUrl) -> str:
        owner, _, name = page.project.partition("/")
        return f"{self.api_base_url}/projects/{owner}/repos/{name}"

    def _headers(self, token: str | None) -> dict[str, str]:
        known = token or self._entry.token
        if known:
            return {"Authorization": f"Bearer {known}"}
        if self._entry.username and self._entry.password:
            return {"Authorization": basic(self._entry.username, self._entry.password)}
        return {}
