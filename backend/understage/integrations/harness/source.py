"""Reading files from Harness Code by its API, below the account that the URL of the page names."""

from urllib.parse import quote, urlsplit

from understage.config.integration_settings import HarnessIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.reader.archive import unpack_zip
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, quoted, text_at
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient


class HarnessSource(ForgeSource):
    """One entry of `integrations.harness`."""

    def __init__(self, http: HttpClient, entry: HarnessIntegration) -> None:
        super().__init__(http, entry.host, f"https://{entry.host}/gateway/code/api/v1/repos")
        self._entry = entry

    def parse(self, url: str) -> PageUrl:
        """`https://host/ng/account/<id>/…[/orgs/<o>][/projects/<p>]/repos/<r>/{files|edit}/<branch…>/~/<path>`.

        `project` of the result is `<id>[/<o>][/<p>]/<r>`.
        """
        parts = urlsplit(url)
        segments = [segment for segment in parts.path.split("/") if segment]
        view = next((index for index, part in enumerate(segments) if part in ("files", "edit")), len(segments))
        place = segments[:view]
        names = [_after(place, "account"), _after(place, "orgs"), _after(place, "projects"), _after(place, "repos")]
        if not names[0] or not names[3]:
            raise InputError(f"Incorrect URL: {url}, it names no account and repository")
        project = "/".join(check_name(name) for name in names if name)
        rest = segments[view + 1 :]
        end = rest.index("~") if "~" in rest else len(rest)
        ref = check_file_path("/".join(rest[:end])) or None
        head = "/".join([f"{parts.scheme}://{parts.netloc}", *segments[: view + 1 + end], "~"])
        return PageUrl(project, ref, check_file_path("/".join(rest[end + 1 :])), head)

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The raw file of a branch."""
        return Request(f"{self._repository(page)}/raw/{quoted(page.path)}?{_query(page)}", self._headers(token))

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The root folder, with the newest commit."""
        return Request(f"{self._repository(page)}/content?{_query(page, 'include_commit=true')}", self._headers(token))

    def commit(self, answer: Answer) -> str:
        """Its `latest_commit.sha`."""
        sha = text_at(answer.json(), "latest_commit", "sha")
        if sha is None:
            raise ForeignError(f"{self.host} answered without a commit")
        return sha

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """A zip of the branch, or of the commit for the default branch."""
        account = page.project.partition("/")[0]
        url = f"{self._repository(page)}/archive/{quoted(page.ref or commit)}.zip?routingId={account}"
        return Archive(Request(url, self._headers(token)), below, strip=0, unpack=unpack_zip)

    def edit_url(self, url: str) -> str | None:
        """The page of the file in the code module."""
        page = self.parse(url)
        account, *owners, repository = page.project.split("/")
        names = dict(zip(("orgs", "projects"), owners, strict=False))
        inside = "".join(f"/{kind}/{name}" for kind, name in names.items())
        return (
            f"https://{self.host}/ng/account/{account}/module/code{inside}/repos/{repository}"
            f"/files/{quoted(page.ref or '')}/~/{quoted(page.path)}"
        )

    def _repository(self, page: PageUrl) -> str:
        return f"{self.api_base_url}/{page.project}/+"

    def _headers(self, token: str | None) -> dict[str, str]:
        if token or not self._entry.api_key:
            known = token or self._entry.token
            return {"Authorization": f"Bearer {known}"} if known else {}
        return {"x-api-key": self._entry.api_key}


def _after(segments: list[str], name: str) -> str | None:
    if name not in segments[:-1]:
        return None
    return segments[segments.index(name) + 1]


def _query(page: PageUrl, *others: str) -> str:
    account = page.project.partition("/")[0]
    ref = [f"git_ref=refs/heads/{quote(page.ref, safe='/')}"] if page.ref else []
    return "&".join([f"routingId={account}", *others, *ref])
