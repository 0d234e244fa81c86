"""The bare repositories of the local git server, on disk and by URL.

Called by the forge and the reader of this folder, by the git port (which reaches them as files) and by the HTTP server.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from understage.errors import InputError, NotFoundError
from understage.integrations.reader.path import check_file_path

# One path segment that git, file systems and URLs all take as it is; never `.`, `..`, an option or another suffix.
_NAME = re.compile(r"(?!.*\.\.)(?!.*\.(?:git|lock)$)[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?<!\.)", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """What a page URL of the local git server names: a path of a repository at a branch (or tag, or commit)."""

    owner: str
    name: str
    ref: str | None = None
    path: str = ""


@dataclass(frozen=True)
class LocalRepositories:
    """`<directory>/<owner>/<name>.git`, known to the world as `<base_url>/git/<owner>/<name>.git`.

    `base_url` is the service's own, e.g. `http://localhost:7007`.
    """

    directory: Path
    base_url: str

    @property
    def host(self) -> str:
        """Host and port of the server, as in `localhost:7007`."""
        return urlsplit(self.base_url).netloc

    @property
    def root_url(self) -> str:
        """Where the repositories are served, without a slash at the end."""
        return f"{self.base_url.rstrip('/')}/git"

    def path(self, owner: str, name: str) -> Path:
        """The bare repository's folder, whether it exists or not. Raises InputError for names that are none."""
        return self.directory / _checked(owner, "owner") / f"{_checked(name, 'repository')}.git"

    def clone_url(self, owner: str, name: str) -> str:
        """The URL git clones from."""
        return f"{self.root_url}/{owner}/{name}.git"

    def web_url(self, owner: str, name: str) -> str:
        """The repository's page."""
        return f"{self.root_url}/{owner}/{name}"

    def contents_url(self, owner: str, name: str, ref: str, path: str = "", *, view: str = "src") -> str:
        """The page (`view` src) or the bytes (raw) of a file or folder."""
        return f"{self.web_url(owner, name)}/{view}/branch/{quote(ref, safe='')}/{quote(path.lstrip('/'))}"

    def owners(self) -> list[str]:
        """The owners that have repositories, sorted."""
        return _folders(self.directory, "")

    def names(self, owner: str) -> list[str]:
        """The repositories of an owner, sorted."""
        return _folders(self.directory / _checked(owner, "owner"), ".git")

    def existing(self, owner: str, name: str) -> Path:
        """The bare repository's folder. Raises NotFoundError when there is none."""
        path = self.path(owner, name)
        if not (path / "HEAD").is_file():
            raise NotFoundError(f"The local git server has no repository {owner}/{name}")
        return path

    def locate(self, url: str) -> Path | None:
        """The bare repository behind a clone URL; None for a URL of another server."""
        prefix = f"{self.root_url}/"
        if not url.startswith(prefix):
            return None
        owner, _, name = unquote(url.removeprefix(prefix).rstrip("/")).partition("/")
        return self.existing(owner, name.removesuffix(".git"))

    def parse(self, url: str) -> Place | None:
        """What a page URL names; None for a URL of another server. Raises InputError for one that names nothing here."""
        parts = urlsplit(url)
        root = urlsplit(self.root_url)
        if parts.netloc != root.netloc or not parts.path.startswith(f"{root.path}/"):
            return None
        segments = parts.path.removeprefix(f"{root.path}/").split("/", 5)
        if len(segments) < 2 or not all(segments[:2]):
            raise InputError(f"{url} names no repository of the local git server")
        owner, name = segments[0], segments[1].removesuffix(".git")
        if len(segments) <= 2 or segments[2:] == [""]:
            return Place(owner, name)
        if len(segments) < 5 or segments[2] not in ("src", "raw") or segments[3] not in ("branch", "commit", "tag"):
            raise InputError(f"{url} names no file: write {self.web_url(owner, name)}/src/branch/<branch>/<path>")
        return Place(owner, name, unquote(segments[4]), check_file_path(segments[5] if len(segments) > 5 else ""))


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no valid {what} name for the local git server: use letters, digits, '-', '_' and '.'"
        )
    return name


def _folders(directory: Path, suffix: str) -> list[str]:
    if not directory.is_dir():
        return []
    names = (entry.name for entry in directory.iterdir() if entry.is_dir() and entry.name.endswith(suffix))
    return sorted(name.removesuffix(suffix) for name in names if _NAME.fullmatch(name.removesuffix(suffix)))
