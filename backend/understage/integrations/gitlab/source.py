"""Reading files from GitLab by its repository files and archive APIs."""

from urllib.parse import quote, urlsplit

from understage.errors import ForeignError, InputError, NotFoundError
from understage.integrations.reader.forge_source import ForgeSource, PageUrl, Request
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient

_KINDS = frozenset(("blob", "raw", "tree", "edit"))


class GitlabSource(ForgeSource):
    """One entry of `integrations.gitlab`. `base_url` may hold a path (GitLab under a relative URL)."""

    def __init__(
        self,
        http: HttpClient,
        *,
        host: str = "gitlab.com",
        api_base_url: str | None = None,
        base_url: str | None = None,
        token: str | None = None,
    ) -> None:
        base = (base_url or f"https://{host}").rstrip("/")
        super().__init__(http, host, api_base_url or f"{base}/api/v4")
        self._prefix = urlsplit(base).path.strip("/")
        self._token = token

    def parse(self, url: str) -> PageUrl:
        """`https://host[/prefix]/<group…>/<project>/[-/]{blob|raw|tree|edit}/<ref>/<path>`, or the project alone."""
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc}" + (f"/{self._prefix}" if self._prefix else "")
        inside = parts.path.strip("/").removeprefix(self._prefix).strip("/")
        segments = [segment for segment in inside.split("/") if segment]
        place = next((index for index, name in enumerate(segments) if index >= 2 and name in _KINDS), len(segments))
        project = [segment for segment in segments[:place] if segment != "-"]
        name = "/".join(check_name(segment) for segment in project).removesuffix(".git")
        if len(project) < 2:
            raise InputError(f"Invalid SCM URL: {url} names no project")
        if place >= len(segments) - 1:
            return PageUrl(name, None, "", f"{root}/{name}")
        head = "/".join([root, *segments[: place + 2]])
        return PageUrl(
            name, check_file_path(segments[place + 1]), check_file_path("/".join(segments[place + 2 :])), head
        )

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The raw file of a ref."""
        path = quote(page.path, safe="")
        return Request(
            f"{self._project(page)}/repository/files/{path}/raw?ref={quote(page.ref or 'HEAD', safe='')}",
            self._headers(token),
        )

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The newest commit of the ref."""
        ref = f"&ref_name={quote(page.ref, safe='')}" if page.ref else ""
        return Request(f"{self._project(page)}/repository/commits?per_page=1{ref}", self._headers(token))

    def commit(self, answer: Answer) -> str:
        """Its `id`."""
        commits = answer.json()
        if not isinstance(commits, list):
            raise ForeignError(f"{self.host} answered without commits")
        if not commits:
            raise NotFoundError("the repository has no such ref, or no commits")
        return str(commits[0]["id"])

    def archive_request(self, page: PageUrl, commit: str, token: str | None) -> Request:
        """The archive of the commit."""
        return Request(f"{self._project(page)}/repository/archive.tar.gz?sha={commit}", self._headers(token))

    def edit_url(self, url: str) -> str | None:
        """The page's `edit` form."""
        for kind in ("blob", "raw", "tree"):
            if f"/{kind}/" in url:
                return url.replace(f"/{kind}/", "/edit/", 1)
        return url

    def _project(self, page: PageUrl) -> str:
        return f"{self.api_base_url}/projects/{quote(page.project, safe='')}"

    def _headers(self, token: str | None) -> dict[str, str]:
        known = token or self._token
        return {"Authorization": f"Bearer {known}"} if known else {}
