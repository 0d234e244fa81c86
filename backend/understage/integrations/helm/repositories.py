"""The chart repositories and registries that Helm may ask, with their credentials. Called by `binary`.

Helm follows redirects by itself, so which hosts it is sent to is the decision of who configures the service: only what
`understage.helm.repositories` names is asked, and Helm keeps credentials from other hosts than a repository's own.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from understage.errors import InputError, NotAllowedError
from understage.model.yaml import dump, parse_document

KEY = "understage.helm.repositories"
SCHEMES = ("https", "http", "oci")


@dataclass(frozen=True)
class Repository:
    """One of them. `url` has no slash at its end."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    plain_http: bool = False

    def covers(self, url: str) -> bool:
        """Whether `url` is this one, or below it."""
        own, other = urlsplit(self.url), urlsplit(url)
        if (own.scheme, own.netloc.lower()) != (other.scheme, other.netloc.lower()):
            return False
        if any(part in (".", "..") for part in unquote(unquote(other.path)).replace("\\", "/").split("/")):
            return False
        path, below = own.path.rstrip("/"), other.path.rstrip("/")
        return below == path or below.startswith(f"{path}/")


@dataclass(frozen=True)
class Repositories:
    """All of them, in the order of the configuration."""

    known: Sequence[Repository] = ()

    def get(self, url: str) -> Repository:
        """The one that covers `url`, the longest first. Raises NotAllowedError when there is none."""
        found = sorted((each for each in self.known if each.covers(url)), key=lambda each: -len(each.url))
        if not found:
            shown = urlsplit(url)._replace(query="", fragment="")
            shown = shown._replace(netloc=shown.netloc.rpartition("@")[2])
            raise NotAllowedError(f"Helm may not ask {shown.geturl()}: it is not below a url of {KEY}. Add it there")
        return found[0]

    def write(self, home: Path, used: Sequence[tuple[str, Repository]]) -> None:
        """Helm's own files of credentials, for the URLs that a command is about."""
        auths: dict[str, dict[str, str]] = {}
        entries: list[dict[str, Any]] = []
        for number, (url, repository) in enumerate(used):
            if repository.username is None or repository.password is None:
                continue
            if url.startswith("oci://"):
                pair = f"{repository.username}:{repository.password}".encode()
                auths[urlsplit(url).netloc] = {"auth": base64.b64encode(pair).decode()}
            else:
                account = {"username": repository.username, "password": repository.password}
                entries.append({"name": f"repository-{number}", "url": url, **account})
        (home / "registry.json").write_text(json.dumps({"auths": auths}))
        (home / "repositories.yaml").write_text(dump({"apiVersion": "", "repositories": entries}))


def repositories_of(entries: Any) -> Repositories:
    """Those of `understage.helm.repositories`. Raises InputError that names the entry and what is wrong with it."""
    if entries is None:
        return Repositories()
    if not isinstance(entries, list):
        raise InputError(f"{KEY} must be a list")
    return Repositories([_repository(entry, f"{KEY}[{index}]") for index, entry in enumerate(entries)])


def check_dependencies(
    chart: Path, root: Path, repositories: Repositories
) -> tuple[list[tuple[str, Repository]], list[Path]]:
    """The repositories that the chart in `chart` depends on, each with the entry that allows it, and the folders.

    Raises InputError for a dependency on a folder outside of `root` or on a name of a repository, NotAllowedError for a
    repository that is not configured.
    """
    used: dict[str, Repository] = {}
    folders: list[Path] = []
    for name, url in _dependencies(chart):
        if not url:
            continue  # vendored under charts/
        if url.startswith("file://"):
            folder = (chart / unquote(url.removeprefix("file://"))).resolve()
            if not folder.is_relative_to(root.resolve()):
                raise NotAllowedError(f"{chart.name}: the dependency {name} leads out of the workspace: {url}")
            folders.append(folder)
            continue
        if urlsplit(url).scheme not in SCHEMES:
            raise InputError(f"{chart.name}: the dependency {name} needs the URL of its repository, not {url!r}")
        used[url] = repositories.get(url)
    return list(used.items()), folders


def _dependencies(chart: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for file in ("Chart.yaml", "requirements.yaml"):
        path = chart / file
        if not path.is_file():
            continue
        about = parse_document(path.read_bytes(), f"{chart.name}/{file}").value
        entries = about.get("dependencies") if isinstance(about, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                found.append((str(entry.get("name")), str(entry.get("repository") or "")))
    return found


def _repository(entry: Any, key: str) -> Repository:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("url"), str):
        raise InputError(f"{key} needs a url: https://charts.example.com or oci://registry.example.com/charts")
    url = entry["url"].rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(f"{key}.url must be an https or oci URL without credentials and query")
    username, password = entry.get("username"), entry.get("password")
    if (username is None) != (password is None):
        raise InputError(f"{key} needs both username and password, or neither")
    return Repository(
        url,
        None if username is None else str(username),
        None if password is None else str(password),
        plain_http=str(entry.get("plainHttp", False)).lower() == "true",
    )
