"""What the forges' url readers share: a page URL is parsed, the forge's API is asked.

Globs go through the tree's archive, or, on forges that list a tree, through the few files that match.

Rules of URLs and messages as in Backstage integration 2.x and backend-defaults 0.18.0.
"""

import asyncio
import posixpath
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import httpx

from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.reader.archive import ArchiveLimits, unpack_tar
from understage.integrations.reader.path import check_file_path, check_name
from understage.platform.http import Answer, HttpClient, origin_of
from understage.sdk.glob import compile_glob, glob_root, is_glob
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

MIB = 1024 * 1024
FILE_LIMIT = 10 * MIB
ARCHIVE_LIMIT = 256 * MIB
FEW_FILES = 20
"""So many files of a tree are asked for one by one; for more, the archive is one request."""
AT_ONCE = 5
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class PageUrl:
    """A file or folder of a repository, as a page of the forge names it. `project` is `owner/name`, or longer on GitLab.

    `head` is the URL up to and including the ref: what a leading slash in a relative URL stands for. `ref` None means the
    default branch.
    """

    project: str
    ref: str | None
    path: str
    head: str
    query: str = ""
    """What follows the path in the URLs of files, on forges whose URLs name the ref there (`?at=main`)."""


@dataclass(frozen=True)
class Request:
    """One API request."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Archive:
    """How to ask for an archive, and what of it is wanted: `strip` leading folders are dropped, then only `below` counts."""

    request: Request
    below: str
    strip: int = 1
    unpack: Callable[..., int] = unpack_tar


class ForgeSource(ABC):
    """A `Source` on a forge's API. Subclasses say what its URLs and requests look like."""

    def __init__(self, http: HttpClient, host: str, api_base_url: str, *, limits: ArchiveLimits | None = None) -> None:
        self.http = http
        self.host = host.lower()
        self.api_base_url = api_base_url.rstrip("/")
        self._limits = limits or ArchiveLimits()

    def covers(self, url: str) -> bool:
        """Whether the URL is on the forge's host (port included)."""
        return urlsplit(url).netloc.lower() == self.host

    @abstractmethod
    def parse(self, url: str) -> PageUrl:
        """The parts of a page URL. Raises InputError for a URL that names no file or folder."""

    async def sign_in(self, page: PageUrl) -> str | None:
        """A token that the forge gave for this page; None when what is configured is all there is."""
        return None

    @abstractmethod
    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """How to ask for a file."""

    def content(self, answer: Answer) -> bytes:
        """The file's bytes in the answer to `file_request`."""
        return answer.body

    @abstractmethod
    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """How to ask for the newest commit of the page's ref."""

    @abstractmethod
    def commit(self, answer: Answer) -> str:
        """The commit hash in the answer to `commit_request`."""

    @abstractmethod
    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """How to ask for the folder `below` of a commit."""

    def tree_request(self, page: PageUrl, commit: str, token: str | None) -> Request | None:
        """How to ask for the names of all files of a commit; None where a forge has no such list."""
        return None

    def tree(self, answer: Answer) -> dict[str, int] | None:
        """Names of files and their sizes in the answer to `tree_request`; None when the list is not whole."""
        return None

    def file_url(self, page: PageUrl, name: str) -> str:
        """The page of a file that a glob found."""
        return f"{page.head}/{quoted(name)}{page.query}"

    def describe(self, url: str, asked: str) -> str:
        """The beginning of the message when reading `url` fails."""
        return f"{url} could not be read as {asked}"

    def has_failed(self, answer: Answer) -> bool:
        """Whether the answer is none to what was asked."""
        return answer.status >= 400

    def may_follow(self, url: httpx.URL) -> bool:
        """Where the forge's answers may redirect to: its own origins, and secure hosts below its own name."""
        if origin_of(url) in (origin_of(self.api_base_url), f"https://{self.host}", f"http://{self.host}"):
            return True
        return url.scheme == "https" and url.port is None and url.host.lower().endswith(f".{self.host}")

    def covers_request(self, url: httpx.URL) -> bool:
        """Whether requests of this source may go to `url`."""
        return self.may_follow(url)

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file."""
        page = _file_page(self.parse(url), url)
        answer = await self._ask(self.file_request(page, token or await self.sign_in(page)), url)
        return ReadFile(url=url, content=self.content(answer), etag=answer.headers.get("etag"))

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the folder into `destination`; the etag is the commit."""
        page = self.parse(url)
        token = token or await self.sign_in(page)
        commit = await self._commit(page, url, token)
        await self._unpack(page, commit, page.path, destination, url, token)
        return ReadTree(directory=destination, etag=commit)

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file, or those of the tree that match the glob."""
        try:
            page = self.parse(url)
            token = await self.sign_in(page)
            if not is_glob(page.path):
                return await self._search_file(page, url, etag, token)
            commit = await self._commit(page, url, token)
            if commit == etag:
                return SearchResult(files=(), etag=commit, not_modified=True)
            found = await self._listed(page, commit, url, token)
            if found is not None:
                return SearchResult(files=found, etag=commit)
            with tempfile.TemporaryDirectory(prefix="understage-read-") as folder:
                root = glob_root(page.path)
                await self._unpack(page, commit, root, Path(folder), url, token)
                files = await asyncio.to_thread(self._matching, Path(folder), root, page)
            return SearchResult(files=files, etag=commit)
        except NotFoundError:
            return SearchResult(files=())

    def resolve_url(self, url: str, base: str) -> str:
        """A leading slash is the repository's root at the same ref; the base's query stays."""
        parts = urlsplit(base)
        if url.startswith("/"):
            head = self.parse(base).head
            resolved = f"{head.rstrip('/')}{posixpath.normpath('/' + url.lstrip('/'))}"
            if url.endswith("/") and not resolved.endswith("/"):
                resolved += "/"
        else:
            resolved = urljoin(urlunsplit(parts._replace(query="", fragment="")), url)
        return resolved + (f"?{parts.query}" if parts.query and "?" not in resolved else "")

    def edit_url(self, url: str) -> str | None:
        """Where a person edits the file."""
        return url

    async def _search_file(self, page: PageUrl, url: str, etag: str | None, token: str | None) -> SearchResult:
        request = self.file_request(_file_page(page, url), token)
        headers = {**request.headers, **({"If-None-Match": etag} if etag else {})}
        answer = await self._ask(Request(request.url, headers), url)
        if answer.status == 304 or (etag is not None and answer.headers.get("etag") == etag):
            return SearchResult(files=(), etag=etag, not_modified=True)
        found = answer.headers.get("etag")
        return SearchResult(files=(ReadFile(url=url, content=self.content(answer), etag=found),), etag=found)

    async def _listed(self, page: PageUrl, commit: str, url: str, token: str | None) -> tuple[ReadFile, ...] | None:
        """What matches, by the list of the tree; None where there is no list, or more matches than are worth it."""
        request = self.tree_request(page, commit, token)
        if request is None:
            return None
        try:
            listed = self.tree(await self._ask(request, url))
        except NotFoundError:
            # The commit is there, so it is the list that is not: a proxy may hide it.
            return None
        if listed is None:
            return None
        pattern = compile_glob(page.path)
        names = sorted(name for name in listed if pattern.fullmatch(name))
        if len(names) > FEW_FILES:
            return None
        for name in names:
            _check_size(name, listed[name])
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(name: str) -> ReadFile:
            async with gate:
                answer = await self._ask(self.file_request(replace(page, path=name, ref=commit), token), url)
            return ReadFile(url=self.file_url(page, name), content=self.content(answer))

        return tuple(await asyncio.gather(*(read(name) for name in names)))

    async def _commit(self, page: PageUrl, url: str, token: str | None) -> str:
        return self.commit(await self._ask(self.commit_request(page, token), url))

    async def _unpack(
        self, page: PageUrl, commit: str, below: str, destination: Path, url: str, token: str | None
    ) -> None:
        archive = self.archive(page, commit, below, token)
        with tempfile.TemporaryFile() as file:
            answer = await self.http.download(
                archive.request.url,
                file,
                headers=archive.request.headers,
                max_bytes=ARCHIVE_LIMIT,
                allows=self.covers_request,
            )
            self._check(answer, url, archive.request.url)
            file.seek(0)
            count = await asyncio.to_thread(
                archive.unpack, file, destination, strip=archive.strip, below=archive.below, limits=self._limits
            )
        if count == 0:
            raise NotFoundError(f"{url} names no folder with files")

    async def _ask(self, request: Request, url: str) -> Answer:
        answer = await self.http.request(
            "GET", request.url, headers=request.headers, max_bytes=FILE_LIMIT, allows=self.covers_request
        )
        self._check(answer, url, request.url)
        return answer

    def _check(self, answer: Answer, url: str, asked: str) -> None:
        if not self.has_failed(answer):
            return
        reason = f"{self.describe(url, asked)}, {answer.status} {_REASONS.get(answer.status, '')}".rstrip()
        if answer.status == 404:
            raise NotFoundError(reason)
        if answer.status == 429 or (answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"):
            raise ForeignError(f"{reason} (rate limit exceeded)")
        if answer.status in (203, 401, 403):
            raise NotAllowedError(f"{reason}: check the token of this host under integrations")
        raise ForeignError(reason)

    def _matching(self, folder: Path, root: str, page: PageUrl) -> tuple[ReadFile, ...]:
        pattern = compile_glob(page.path)
        found: list[ReadFile] = []
        for path in sorted(folder.rglob("*")):
            name = posixpath.join(root, path.relative_to(folder).as_posix())
            if path.is_file() and pattern.fullmatch(name):
                _check_size(name, path.stat().st_size)
                found.append(ReadFile(url=self.file_url(page, name), content=path.read_bytes()))
        return tuple(found)


def _check_size(name: str, size: int) -> None:
    if size > FILE_LIMIT:
        raise InputError(f"{name} is larger than {FILE_LIMIT // MIB} MiB")


def page_of(url: str, pattern_after: int, kinds: frozenset[str], *, kind_length: int = 1) -> PageUrl:
    """Parse `/<project of pattern_after segments>/<kind…>/<ref>/<path>`; the kind takes `kind_length` segments.

    A URL that ends with the project names the root at the default branch. Raises InputError for any other.
    """
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    project, rest = segments[:pattern_after], segments[pattern_after:]
    root = f"{parts.scheme}://{parts.netloc}"
    if len(project) < pattern_after:
        raise InputError(f"Invalid SCM URL: {url} names no repository")
    path = "/".join(check_name(segment) for segment in project).removesuffix(".git")
    if not rest:
        return PageUrl(path, None, "", f"{root}/{path}")
    if len(rest) <= kind_length or "/".join(rest[:kind_length]) not in kinds:
        raise InputError(f"Invalid SCM URL: {url} names no file or folder of a repository")
    ref = check_file_path(rest[kind_length])
    head = "/".join([root, *project, *rest[: kind_length + 1]])
    return PageUrl(path, ref, check_file_path("/".join(rest[kind_length + 1 :])), head)


def _file_page(page: PageUrl, url: str) -> PageUrl:
    if not page.path:
        raise InputError(f"{url} names a repository, not a file in it")
    return page


def quoted(path: str) -> str:
    """A path for a URL, slashes kept."""
    return quote(path, safe="/")


def text_at(content: Any, *path: str | int) -> str | None:
    """The text at a place in an answer's JSON; None when the answer has another shape."""
    for step in path:
        if isinstance(step, str):
            content = content.get(step) if isinstance(content, dict) else None
        else:
            content = content[step] if isinstance(content, list) and len(content) > step else None
    return content if isinstance(content, str) and content else None
