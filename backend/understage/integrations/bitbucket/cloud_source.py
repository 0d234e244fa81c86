"""Reading files from Bitbucket Cloud by its source API; archives come from the page's own host."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from understage.config.integration_settings import BitbucketCloudIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.bitbucket.cloud_credentials import BitbucketCloudCredentials
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, page_of, quoted, text_at
from understage.platform.http import Answer, HttpClient

HOST = "bitbucket.org"
API = "https://api.bitbucket.org/2.0"
ETAG_LENGTH = 12
_KINDS = frozenset(("src", "raw"))


class BitbucketCloudSource(ForgeSource):
    """bitbucket.org, with one entry of `integrations.bitbucketCloud` or without credentials."""

    def __init__(self, http: HttpClient, entry: BitbucketCloudIntegration | None = None) -> None:
        super().__init__(http, HOST, API)
        self._credentials = BitbucketCloudCredentials(http, entry or BitbucketCloudIntegration())

    def parse(self, url: str) -> PageUrl:
        """`https://bitbucket.org/o/r/{src|raw}/<ref>/<path>`, or the repository alone."""
        page = page_of(url, 2, _KINDS)
        query = urlsplit(url).query
        return PageUrl(page.project, page.ref, page.path, page.head, f"?{query}" if query else "")

    async def sign_in(self, page: PageUrl) -> str | None:
        """A token for the OAuth consumer, where one is configured."""
        return await self._credentials.lease()

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The source API."""
        url = f"{self._repository(page)}/src/{_ref(page)}/{quoted(page.path)}"
        return Request(url, self._credentials.headers(token))

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The newest commits of the ref."""
        return Request(f"{self._repository(page)}/commits/{_ref(page)}", self._credentials.headers(token))

    def commit(self, answer: Answer) -> str:
        """The beginning of the first one's `hash`."""
        found = text_at(answer.json(), "values", 0, "hash")
        if found is None or not found.isalnum():
            raise ForeignError(f"Failed to read response from {answer.url}: it names no commit")
        return found[:ETAG_LENGTH]

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The archive of the commit, by the pages' host."""
        return Archive(
            Request(f"https://{HOST}/{page.project}/get/{commit}.tar.gz", self._credentials.headers(token)), below
        )

    def edit_url(self, url: str) -> str | None:
        """The page in its edit mode."""
        ref = self.parse(url).ref
        parts = urlsplit(url)
        kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ("mode", "at")]
        return parts._replace(query=urlencode([*kept, ("mode", "edit"), ("at", ref or "")])).geturl()

    def _repository(self, page: PageUrl) -> str:
        return f"{API}/repositories/{page.project}"


def _ref(page: PageUrl) -> str:
    if page.ref is None:
        # The API takes HEAD for the main branch.
        return "HEAD"
    if not page.ref:
        raise InputError("Invalid SCM URL: it names no branch")
    return quote(page.ref, safe="")
