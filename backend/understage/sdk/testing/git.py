"""Git, in memory: pushes to and clones from the repositories of the fake forges."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.sdk.ports import GitAuthor, GitCredentials, Repository
from understage.sdk.testing.forge import FakeForge, FakeForges, FakeRepository


@dataclass(frozen=True)
class FakeCommit:
    """A commit that was pushed."""

    remote_url: str
    branch: str
    message: str
    author: GitAuthor
    hash: str


@dataclass
class _Clone:
    remote_url: str
    branch: str
    files: dict[str, bytes]


@dataclass
class FakeGit:
    """Work trees are real folders, remotes are the repositories of `forges`; `commits` are those pushed so far.

    `snapshots` are the files of commits, by hash. `others` are remotes beside these, by URL; with `takes_any` every URL is one,
    empty at first.
    """

    forges: FakeForges = field(default_factory=FakeForges)
    takes_any: bool = False
    others: dict[str, FakeRepository] = field(default_factory=dict)
    commits: list[FakeCommit] = field(default_factory=list)
    clones: dict[Path, _Clone] = field(default_factory=dict)
    snapshots: dict[str, dict[str, bytes]] = field(default_factory=dict)

    async def publish(
        self,
        directory: Path,
        remote_url: str,
        *,
        branch: str,
        message: str,
        author: GitAuthor,
        credentials: GitCredentials | None = None,
    ) -> str:
        """Push the files of `directory` as the first commit of `branch`. Raises ConflictError for a branch that exists."""
        remote = self._remote(remote_url, credentials)
        if branch in remote.branches:
            raise ConflictError(f"The branch {branch} of {remote_url} has commits already")
        remote.branches[branch] = _files(directory)
        return self._commit(remote_url, branch, message, author)

    async def clone(
        self, remote_url: str, directory: Path, *, branch: str | None = None, credentials: GitCredentials | None = None
    ) -> str:
        """Write the files of a branch into `directory`."""
        remote = self._remote(remote_url, None)
        chosen = branch or remote.repository.default_branch
        if chosen not in remote.branches:
            raise NotFoundError(f"Remote branch {chosen} not found in {remote_url}")
        for name, content in remote.branches[chosen].items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.clones[directory] = _Clone(remote_url, chosen, dict(remote.branches[chosen]))
        digest = _hash(remote_url, chosen, remote.branches[chosen])
        self.snapshots[digest] = dict(remote.branches[chosen])
        return digest

    async def read_files(
        self, remote_url: str, commit: str, paths: Sequence[str], *, credentials: GitCredentials | None = None
    ) -> dict[str, bytes]:
        """Files of a commit that was pushed, cloned or put into `snapshots`."""
        self._remote(remote_url, credentials)
        if commit not in self.snapshots:
            raise NotFoundError(f"{remote_url} has no commit {commit}")
        return {path: text for path, text in self.snapshots[commit].items() if path in paths}

    async def push_changes(
        self,
        directory: Path,
        *,
        branch: str,
        message: str,
        author: GitAuthor,
        credentials: GitCredentials | None = None,
    ) -> str | None:
        """Push what changed since `clone`. Raises ConflictError when the branch moved meanwhile."""
        clone = self.clones.get(directory)
        if clone is None:
            raise InputError(f"{directory.name} is not a clone")
        remote = self._remote(clone.remote_url, credentials)
        files = _files(directory)
        if files == clone.files:
            return None
        if remote.branches.get(branch) == files:  # pushed already
            return _hash(clone.remote_url, branch, files)
        if branch in remote.branches and remote.branches[branch] != clone.files:
            raise ConflictError(f"The branch {branch} of {clone.remote_url} moved meanwhile")
        remote.branches[branch] = files
        self.clones[directory] = _Clone(clone.remote_url, branch, dict(files))
        return self._commit(clone.remote_url, branch, message, author)

    def _remote(self, url: str, credentials: GitCredentials | None) -> FakeRepository:
        for forge in self.forges.forges:
            if not isinstance(forge, FakeForge):
                continue
            for found in forge.repositories.values():
                if found.repository.clone_url == url:
                    if credentials is not None and credentials != forge.credentials:
                        raise NotAllowedError(f"git push to {url} failed: Authentication failed")
                    return found
        if self.takes_any and url not in self.others:
            owner, name = url.removesuffix(".git").split("/")[-2:]
            self.others[url] = FakeRepository(Repository(owner, name, "main", url, url.removesuffix(".git")))
        if url in self.others:
            return self.others[url]
        raise NotFoundError(f"git could not read {url}: repository not found")

    def _commit(self, remote_url: str, branch: str, message: str, author: GitAuthor) -> str:
        remote = self._remote(remote_url, None)
        digest = _hash(remote_url, branch, remote.branches[branch], str(len(self.commits)))
        remote.heads[branch] = digest
        self.commits.append(FakeCommit(remote_url, branch, message, author, digest))
        self.snapshots[digest] = dict(self._remote(remote_url, None).branches[branch])
        return digest


def _files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(directory).parts
    }


def _hash(remote_url: str, branch: str, files: dict[str, bytes], salt: str = "") -> str:
    digest = hashlib.sha1(f"{remote_url} {branch} {salt}".encode(), usedforsecurity=False)
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()
