"""Reading files of the local git server straight from its bare repositories."""

import asyncio
import io
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from understage.errors import ForeignError, InputError, NotFoundError
from understage.integrations.git.command import GitCommand
from understage.integrations.local.repositories import LocalRepositories, Place
from understage.integrations.reader.archive import unpack_tar
from understage.sdk.glob import compile_glob, is_glob
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

MIB = 1024 * 1024
FILE_LIMIT = 10 * MIB
TREE_LIMIT = 256 * MIB


@dataclass(frozen=True)
class TreeEntry:
    """A file (`blob`), folder (`tree`), link or submodule of a commit; `size` in bytes, None for folders."""

    mode: str
    type: str
    size: int | None
    name: str


@dataclass(frozen=True)
class LocalSource:
    """A `Source` and the HTTP server's view of the local repositories."""

    repositories: LocalRepositories
    command: GitCommand = field(default_factory=GitCommand)

    def covers(self, url: str) -> bool:
        """Whether the URL is below the server's root."""
        return url.startswith(f"{self.repositories.root_url}/")

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """Read one file; the etag is the commit."""
        place = self._place(url)
        commit = await self.commit(place)
        return ReadFile(url=url, content=await self.read(place, commit), etag=commit)

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """Write a folder into `destination`; the etag is the commit."""
        place = self._place(url)
        commit = await self.commit(place)
        archive = await self._git(
            place, "archive", "--format=tar", f"{commit}:{place.path}" if place.path else commit, limit=TREE_LIMIT
        )
        if await asyncio.to_thread(unpack_tar, io.BytesIO(archive), destination) == 0:
            raise NotFoundError(f"{url} names no folder with files")
        return ReadTree(directory=destination, etag=commit)

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the file or the files that match the glob."""
        try:
            place = self._place(url)
            commit = await self.commit(place)
            if commit == etag:
                return SearchResult(files=(), etag=etag, not_modified=True)
            if not is_glob(place.path):
                content = await self.read(place, commit)
                return SearchResult(files=(ReadFile(url, content, commit),), etag=commit)
            pattern = compile_glob(place.path)
            listing = await self._git(place, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
            names = [name for name in listing.decode("utf-8", "surrogateescape").split("\0") if pattern.fullmatch(name)]
            files = [await self._found(place, commit, name) for name in names]
            return SearchResult(files=tuple(files), etag=commit)
        except NotFoundError:
            return SearchResult(files=())

    def resolve_url(self, url: str, base: str) -> str:
        """A leading slash is the repository's root at the same ref."""
        if not url.startswith("/"):
            return urljoin(base, url)
        place = self._place(base)
        root = self.repositories.contents_url(place.owner, place.name, place.ref or "HEAD")
        return root + posixpath.normpath("/" + url.lstrip("/")).lstrip("/")

    def edit_url(self, url: str) -> str | None:
        """None: the local server has no editor."""
        return None

    async def commit(self, place: Place) -> str:
        """The commit of the place's ref. Raises NotFoundError when there is none."""
        ref = place.ref or "HEAD"
        if ref.startswith("-"):
            raise InputError(f"{ref!r} is no valid ref")
        try:
            found = await self._git(place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except ForeignError as error:
            raise NotFoundError(f"{place.owner}/{place.name} has no branch, tag or commit {ref}") from error
        return found.decode().strip()

    async def read(self, place: Place, commit: str) -> bytes:
        """The bytes of a file. Raises NotFoundError when the path is none, InputError above 10 MiB."""
        for entry in await self.entries(place, commit, itself=True):
            if entry.type == "blob" and entry.mode != "120000":
                if (entry.size or 0) > FILE_LIMIT:
                    raise InputError(f"{place.path} is larger than {FILE_LIMIT // MIB} MiB")
                return await self._git(place, "cat-file", "blob", f"{commit}:{place.path}")
        raise NotFoundError(f"{place.owner}/{place.name} has no file {place.path} at {place.ref or 'HEAD'}")

    async def entries(self, place: Place, commit: str, *, itself: bool = False) -> list[TreeEntry]:
        """The entries of a folder, or with `itself` the entry of the path; empty when there is nothing."""
        path = place.path if itself or not place.path else f"{place.path}/"
        arguments = ("--", f":(literal){path}") if path else ()
        listing = await self._git(place, "ls-tree", "-l", "-z", "--full-tree", commit, *arguments)
        return [_entry(line) for line in listing.decode("utf-8", "replace").split("\0") if line]

    async def branches(self, place: Place) -> list[str]:
        """The repository's branches, sorted."""
        listing = await self._git(place, "for-each-ref", "--format=%(refname:short)", "refs/heads/")
        return listing.decode("utf-8", "replace").split()

    async def _found(self, place: Place, commit: str, name: str) -> ReadFile:
        file = Place(place.owner, place.name, place.ref, name)
        url = self.repositories.contents_url(place.owner, place.name, place.ref or "HEAD", name)
        return ReadFile(url, await self.read(file, commit), commit)

    def _place(self, url: str) -> Place:
        place = self.repositories.parse(urlsplit(url)._replace(query="", fragment="").geturl())
        if place is None:
            raise InputError(f"{url} is no URL of the local git server")
        return place

    async def _git(self, place: Place, *arguments: str, limit: int = 64 * MIB) -> bytes:
        git_dir = await asyncio.to_thread(self.repositories.existing, place.owner, place.name)
        return await self.command.run(*arguments, git_dir=git_dir, output_limit=limit)


def _entry(line: str) -> TreeEntry:
    head, _, path = line.partition("\t")
    mode, kind, _hash, size = head.split()
    return TreeEntry(mode, kind, None if size == "-" else int(size), posixpath.basename(path))
