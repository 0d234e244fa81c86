"""The port `Git`: publish a folder, clone, push changes. Called by the publish and GitOps actions.

The git folder of a clone lies outside of the work tree, under `state_directory`: nothing that a template writes into the work
tree (`.git/config`, hooks, filters, the remote's URL) can change what git does or where credentials go.
"""

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from understage.errors import ConflictError, ForeignError, InputError, NotFoundError, UnderstageError
from understage.integrations.git.command import NO_ACCESS, Access, GitCommand, check_branch
from understage.sdk.ports import GitAuthor, GitCredentials

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_URL_FILE = "understage-remote"
_FOLDER_FILE = "understage-folder"


def _no_local(_url: str) -> Path | None:
    return None


@dataclass(frozen=True)
class GitRemotes:
    """Implements `understage.sdk.Git`.

    `locate` maps the URLs of the local git server to their bare repositories, which are reached as files; other URLs must be
    http or https. `state_directory` is made when absent.
    """

    state_directory: Path
    command: GitCommand = field(default_factory=GitCommand)
    locate: Callable[[str], Path | None] = _no_local

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
        """Commit all of `directory` as the first commit of `branch` and push it; returns the commit hash.

        A remote branch that holds the same tree already counts as published. Raises ConflictError when it holds another,
        InputError for a folder with a `.git` in it.
        """
        check_branch(branch)
        refuse_git_folders(directory)
        remote = self._remote(remote_url, credentials)
        self.state_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.state_directory, prefix="publish-") as folder:
            git_dir = Path(folder) / "git"
            await self.command.run("init", "--quiet", "--bare", "--template=", "--", str(git_dir))
            tree = _WorkTree(self.command, git_dir, directory, remote)
            await tree.commit(message, author, allow_empty=True)
            return await tree.push(branch)

    async def clone(
        self, remote_url: str, directory: Path, *, branch: str | None = None, credentials: GitCredentials | None = None
    ) -> str:
        """Check a branch out into the empty `directory` (no `.git` in it); returns the commit hash.

        Symbolic links are written as files that hold their target. Raises NotFoundError for a repository without the
        branch, or without any commit.
        """
        remote = self._remote(remote_url, credentials)
        chosen = ("--branch", check_branch(branch)) if branch is not None else ()
        git_dir = await asyncio.to_thread(self._prepare_clone, directory)
        options = ("--quiet", "--depth=1", "--no-tags", "--single-branch", "--no-recurse-submodules", "--template=")
        await self.command.run(
            "clone", *options, *chosen, f"--separate-git-dir={git_dir}", "--", remote.address, str(directory),
            access=remote.access,
        )  # fmt: skip
        await asyncio.to_thread(_remember, git_dir, directory, remote_url)
        try:
            return (await self.command.run("rev-parse", "--verify", "HEAD", git_dir=git_dir)).decode().strip()
        except UnderstageError as error:
            raise NotFoundError(f"the repository {remote_url} has no commits yet") from error

    async def read_files(
        self, remote_url: str, commit: str, paths: Sequence[str], *, credentials: GitCredentials | None = None
    ) -> dict[str, bytes]:
        """The files among `paths` that a commit has; symbolic links are their targets.

        Raises InputError for what is not the whole hash of a commit, NotFoundError when the remote has none of that hash.
        """
        if not _COMMIT.fullmatch(commit):
            raise InputError(f"{commit[:80]!r} is not the whole hash of a commit")
        remote = self._remote(remote_url, credentials)
        self.state_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.state_directory, prefix="read-") as folder:
            git_dir = Path(folder) / "git"
            await self.command.run("init", "--quiet", "--bare", "--template=", "--", str(git_dir))
            options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
            try:
                await self.command.run(
                    "fetch", *options, "--", remote.address, commit, git_dir=git_dir, access=remote.access
                )
            except ForeignError as error:
                if "not our ref" not in error.message:
                    raise
                raise NotFoundError(f"the repository {remote_url} has no commit {commit}") from error
            found = {}
            for path in paths:
                with suppress(NotFoundError):
                    found[path] = await self.command.run("cat-file", "blob", f"{commit}:{path}", git_dir=git_dir)
            return found

    async def push_changes(
        self,
        directory: Path,
        *,
        branch: str,
        message: str,
        author: GitAuthor,
        credentials: GitCredentials | None = None,
    ) -> str | None:
        """Commit every change of a clone on `branch` (made if absent) and push it to where the clone came from.

        None when nothing changed. A remote branch that holds the same tree already counts as pushed. Raises ConflictError
        when it moved otherwise, InputError for a folder that is no clone.
        """
        check_branch(branch)
        git_dir = self._git_dir(directory)
        if not (git_dir / _URL_FILE).is_file():
            raise InputError(f"{directory.name} is not a clone made by this service: clone it first")
        refuse_git_folders(directory)
        remote = self._remote((git_dir / _URL_FILE).read_text("utf-8"), credentials)
        tree = _WorkTree(self.command, git_dir, directory, remote)
        if not await tree.commit(message, author, allow_empty=False):
            return None
        return await tree.push(branch)

    def _prepare_clone(self, directory: Path) -> Path:
        if any(directory.iterdir()):
            raise InputError(f"cannot clone into {directory.name}: the folder is not empty")
        self._forget_gone_clones()
        git_dir = self._git_dir(directory)
        shutil.rmtree(git_dir, ignore_errors=True)
        git_dir.parent.mkdir(parents=True, exist_ok=True)
        return git_dir

    def _remote(self, url: str, credentials: GitCredentials | None) -> "_Remote":
        local = self.locate(url)
        if local is not None:
            return _Remote(url, local.resolve().as_uri(), Access(("file",)))
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"git remotes must be http or https URLs, got {parts.scheme or 'no'} scheme")
        if parts.username is not None or parts.password is not None:
            raise InputError(f"the git remote on {parts.hostname} carries credentials in its URL: hand them over apart")
        return _Remote(url, url, Access((parts.scheme,), url, credentials))

    def _git_dir(self, directory: Path) -> Path:
        return self.state_directory / "clones" / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]

    def _forget_gone_clones(self) -> None:
        """Remove the git folders of clones whose work trees are gone (a task's temporary folders end with its step)."""
        clones = self.state_directory / "clones"
        for marker in clones.glob(f"*/{_FOLDER_FILE}"):
            with suppress(FileNotFoundError):
                if not Path(marker.read_text("utf-8")).exists():
                    shutil.rmtree(marker.parent, ignore_errors=True)


def _remember(git_dir: Path, directory: Path, remote_url: str) -> None:
    (directory / ".git").unlink()
    (git_dir / _URL_FILE).write_text(remote_url, "utf-8")
    (git_dir / _FOLDER_FILE).write_text(str(directory.absolute()), "utf-8")


def refuse_git_folders(directory: Path) -> None:
    """Raise InputError when anything below `directory` is called `.git`: it could make git run programs."""
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            if name.rstrip(". ").lower() in (".git", "git~1"):
                where = (Path(folder) / name).relative_to(directory)
                raise InputError(
                    f"{where.as_posix()} must not be published: remove it with fs:delete or from the template"
                )


@dataclass(frozen=True)
class _Remote:
    url: str
    address: str
    access: Access


@dataclass(frozen=True)
class _WorkTree:
    command: GitCommand
    git_dir: Path
    folder: Path
    remote: _Remote

    async def commit(self, message: str, author: GitAuthor, *, allow_empty: bool) -> bool:
        """Commit everything; False when there was nothing to commit."""
        await self._git("add", "--all", "--", ".", work_tree=True)
        if not allow_empty and not await self._git("diff", "--cached", "--name-only", "-z", work_tree=True):
            return False
        who = {"NAME": _ident(author.name, "name"), "EMAIL": _ident(author.email, "email")}
        await self._git(
            "commit", "--quiet", "--allow-empty", "--no-verify", "--cleanup=verbatim", "--file=-",
            work_tree=True,
            stdin=(message.strip() or "Update").encode() + b"\n",
            environment={f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
        )  # fmt: skip
        return True

    async def push(self, branch: str) -> str:
        """Push HEAD to `branch`; returns its hash, or that of the same tree which is there already."""
        target = f"refs/heads/{branch}"
        try:
            await self._git("push", "--quiet", "--", self.remote.address, f"HEAD:{target}", access=self.remote.access)
        except ConflictError as error:
            there = await self._same_tree(target)
            if there is None:
                raise ConflictError(
                    f"the branch {branch} of {self.remote.url} has other commits: it was changed meanwhile, or the name is "
                    f"taken. Nothing was pushed ({error})"
                ) from error
            return there
        return await self._hash("HEAD")

    async def _same_tree(self, ref: str) -> str | None:
        await self._git("fetch", "--quiet", "--depth=1", "--", self.remote.address, ref, access=self.remote.access)
        if await self._hash("HEAD^{tree}") != await self._hash("FETCH_HEAD^{tree}"):
            return None
        return await self._hash("FETCH_HEAD")

    async def _hash(self, revision: str) -> str:
        return (await self._git("rev-parse", "--verify", revision)).decode().strip()

    async def _git(
        self,
        *arguments: str,
        work_tree: bool = False,
        access: Access = NO_ACCESS,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        folder = self.folder if work_tree else None
        return await self.command.run(
            *arguments,
            git_dir=self.git_dir,
            work_tree=folder,
            cwd=folder,
            access=access,
            stdin=stdin,
            environment=environment,
        )


def _ident(text: str, member: str) -> str:
    cleaned = " ".join(text.translate({ord(character): " " for character in "<>\n\r\0"}).split())
    if not cleaned:
        raise InputError(f"the git author needs a {member}: set it in the step's input or scaffolder.defaultAuthor")
    return cleaned
