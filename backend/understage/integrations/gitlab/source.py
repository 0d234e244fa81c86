"""Reading files from GitLab by its repository files and archive APIs."""

import re
from urllib.parse import parse_qs, quote, urlsplit

from understage.errors import ForeignError, InputError, NotFoundError
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, quoted, text_at
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient

_KINDS = frozenset(("blob", "raw", "tree", "edit"))
_ARTIFACTS = "jobs/artifacts"


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
        """`https://host[/prefix]/<group…>/<project>/[-/]{blob|raw|tree|edit}/<ref>/<path>`, or the project alone.

        Also `…/<project>/-/jobs/artifacts/<ref>/raw/<path>?job=<name>`, whose result keeps the job in `query`.
        """
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc}" + (f"/{self._prefix}" if self._prefix else "")
        inside = parts.path.strip("/").removeprefix(self._prefix).strip("/")
        segments = [segment for segment in inside.split("/") if segment]
        if f"/-/{_ARTIFACTS}/" in inside and "/raw/" in inside:
            return self._parse_artifact(url, inside)
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
        """The raw file of a ref, or of a job's artifacts."""
        if page.query:
            file = f"{quote(page.ref or 'HEAD', safe='')}/raw/{quoted(page.path)}{page.query}"
            return Request(f"{self._project(page)}/{_ARTIFACTS}/{file}", self._headers(token))
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
        if commits == []:
            raise NotFoundError("the repository has no such ref, or no commits")
        found = text_at(commits, 0, "id")
        if found is None:
            raise ForeignError(f"{self.host} answered without commits")
        return found

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """The archive of the commit."""
        return Archive(
            Request(f"{self._project(page)}/repository/archive.tar.gz?sha={commit}", self._headers(token)), below
        )

    def edit_url(self, url: str) -> str | None:
        """The page's `edit` form; only pages of newer releases (`/-/blob/`) have one at a known place."""
        return re.sub(r"/-/(?:blob|tree)/", "/-/edit/", url, count=1)

    def _parse_artifact(self, url: str, inside: str) -> PageUrl:
        project, _, rest = inside.partition(f"/-/{_ARTIFACTS}/")
        ref, _, path = rest.partition("/raw/")
        job = parse_qs(urlsplit(url).query).get("job", [""])[0]
        if not job or not ref or not path:
            raise InputError(f"Invalid SCM URL: {url} names no job whose artifact it is")
        name = "/".join(check_name(segment) for segment in project.split("/"))
        head = url.partition("/raw/")[0] + "/raw"
        return PageUrl(name, check_file_path(ref), check_file_path(path), head, f"?job={quote(job, safe='')}")

    def _project(self, page: PageUrl) -> str:
        return f"{self.api_base_url}/projects/{quote(page.project, safe='')}"

    def _headers(self, token: str | None) -> dict[str, str]:
        known = token or self._token
        return {"Authorization": f"Bearer {known}"} if known else {}
