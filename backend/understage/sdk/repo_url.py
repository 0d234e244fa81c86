"""The value of the stock RepoUrlPicker: `<host>?owner=…&repo=…`."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from understage.errors import InputError


@dataclass(frozen=True)
class RepoUrl:
    """A repository as a form names it. Members that the host's forge does not use are None."""

    host: str
    repo: str
    owner: str | None = None
    organization: str | None = None
    workspace: str | None = None
    project: str | None = None


def parse_repo_url(value: str, *, needs_repo: bool = True) -> RepoUrl:
    """Parse `host?owner=o&repo=r`; values are trimmed of slashes.

    Without `needs_repo` the repository may be missing: some actions are about a host or a project only.
    Raises InputError for a value without host or repo.
    """
    parts = urlsplit(f"https://{value}")
    query = {key: values[0].strip("/") for key, values in parse_qs(parts.query).items() if values[0].strip("/")}
    if not parts.netloc or "@" in parts.netloc:
        raise InputError(f"Invalid repo URL passed to publisher, got {value}: write host?owner=…&repo=…")
    if needs_repo and "repo" not in query:
        raise InputError(f"Invalid repo URL passed to publisher: {value}, missing repo")
    return RepoUrl(
        host=parts.netloc.lower(),
        repo=query.get("repo", ""),
        owner=query.get("owner"),
        organization=query.get("organization"),
        workspace=query.get("workspace"),
        project=query.get("project"),
    )
