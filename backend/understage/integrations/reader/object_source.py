"""What the object stores' url readers share: a URL names a store's bucket and a key, folders are keys that begin alike.

Rules of URLs and messages as in Backstage backend-defaults 0.18.0.
"""

import io
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.reader.archive import ArchiveLimits, Unpacking
from understage.platform.http import Answer, HttpClient
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

MIB = 1024 * 1024
FILE_LIMIT = 10 * MIB
MOST_OBJECTS = 1000
_GLOB = re.compile(r"[*?]")


@dataclass(frozen=True)
class ObjectPlace:
    """One object, or the beginning of several. `region` is empty where the store has none."""

    bucket: str
    key: str
    region: str = ""


class ObjectSource(ABC):
    """A `Source` on an object store. Subclasses say what its URLs and requests look like."""

    store: str

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    @abstractmethod
    def covers(self, url: str) -> bool:
        """Whether the URL is this source's."""

    @abstractmethod
    def parse(self, url: str) -> ObjectPlace:
        """Bucket and key of a URL. Raises InputError."""

    @abstractmethod
    async def fetch(self, place: ObjectPlace, *, etag: str | None = None) -> Answer:
        """Ask for an object, unless it is the one of the etag."""

    @abstractmethod
    async def list_keys(self, place: ObjectPlace) -> list[str]:
        """The keys that begin with the place's, at most 1 000."""

    def content(self, answer: Answer) -> bytes:
        """The object's bytes in the answer to `fetch`."""
        return answer.body

    def etag(self, answer: Answer) -> str | None:
        """What tells this state of the object from others."""
        return answer.headers.get("etag")

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one object; `token` is of no use here."""
        answer = await self.fetch(self._object(url))
        self.check(answer, "file")
        return ReadFile(url=url, content=self.content(answer), etag=self.etag(answer))

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write the objects below the URL into `destination`; names that climb are left out."""
        place = self.parse(url)
        folder = f"{place.key.rstrip('/')}/" if place.key.strip("/") else ""
        with Unpacking(destination, 0, PurePosixPath(), ArchiveLimits(entries=MOST_OBJECTS)) as unpacking:
            for key in await self.list_keys(ObjectPlace(place.bucket, folder, place.region)):
                name = key.removeprefix(folder)
                if not name or key.endswith("/") or has_dot_segments(key):
                    continue
                answer = await self.fetch(ObjectPlace(place.bucket, key, place.region))
                self.check(answer, "file tree")
                content = self.content(answer)
                unpacking.count(len(content))
                target = unpacking.target(name)
                if target is not None:
                    unpacking.write(target, io.BytesIO(content), name, executable=False)
            if unpacking.finish() == 0:
                raise NotFoundError(f"{url} names no folder with files")
        return ReadTree(directory=destination)

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the object. Raises InputError for a glob."""
        place = self._object(url)
        if _GLOB.search(place.key):
            raise InputError(f"Unsupported search pattern URL: {url}")
        answer = await self.fetch(place, etag=etag)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return SearchResult(files=(), etag=etag, not_modified=True)
        try:
            self.check(answer, "file")
        except NotFoundError:
            return SearchResult(files=())
        found = self.etag(answer)
        if etag is not None and found == etag:
            return SearchResult(files=(), etag=etag, not_modified=True)
        return SearchResult(files=(ReadFile(url, self.content(answer), found),), etag=found)

    def resolve_url(self, url: str, base: str) -> str:
        """As browsers do, the base's query stays."""
        resolved = urljoin(base, url)
        query = urlsplit(base).query
        return resolved + (f"?{query}" if query and "?" not in resolved else "")

    def edit_url(self, url: str) -> str | None:
        """The URL itself."""
        return url

    def check(self, answer: Answer, what: str) -> None:
        """Raise what the status means; the body is not shown, it may hold anything."""
        if answer.status < 400:
            return
        reason = f"Could not retrieve {what} from {self.store}, the answer was {answer.status}"
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotFoundError(reason)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise NotAllowedError(f"{reason}: check the credentials under integrations, and what they may read")
        raise ForeignError(reason)

    def _object(self, url: str) -> ObjectPlace:
        place = self.parse(url)
        if not place.key or place.key.endswith("/"):
            raise InputError(f"{url} names a bucket or a folder, not an object")
        return place


def path_of(url: str, message: str) -> str:
    """The decoded path of a URL, without its first slash. Raises InputError with `message` for one with dot segments."""
    path = urlsplit(url).path
    if has_dot_segments(path) or "\0" in unquote(path):
        raise InputError(f"{message} {url}")
    return unquote(path.removeprefix("/"))


def has_dot_segments(name: str) -> bool:
    """Whether a name climbs, however often it is encoded."""
    for _ in range(8):
        if any(part in (".", "..") for part in re.split(r"[/\\]", name)):
            return True
        decoded = unquote(name)
        if decoded == name:
            return False
        name = decoded
    return True
