"""The forge of type `local`: where repositories go when no other forge is configured."""

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from understage.errors import ConflictError, NotFoundError, NotImplementedError_
from understage.integrations.git.command import GitCommand, check_branch
from understage.integrations.local.repositories import LocalRepositories
from understage.sdk.ports import GitCredentials, PullRequest, Repository


@dataclass(frozen=True)
class LocalForge:
    """Implements `understage.sdk.Forge` on bare repositories. Any owner name will do; there are no pull requests."""

    repositories: LocalRepositories
    command: GitCommand = field(default_factory=GitCommand)
    type: str = "local"
    credentials: GitCredentials | None = None

    @property
    def host(self) -> str:
        """The service's own host and port."""
        return self.repositories.host

    async def get_repository(self, owner: str, name: str) -> Repository | None:
        """The repository, or None."""
        path = self.repositories.path(owner, name)
        head = path / "HEAD"
        if not await asyncio.to_thread(head.is_file):
            return None
        branch = (await asyncio.to_thread(head.read_text)).strip().removeprefix("ref: refs/heads/")
        return self.plan_repository(owner, name, default_branch=branch)

    async def create_repository(
        self, owner: str, name: str, *, description: str = "", private: bool = True, default_branch: str = "main"
    ) -> Repository:
        """Create an empty repository. Raises ConflictError when the name is taken, InputError for a bad name."""
        check_branch(default_branch)
        path = self.repositories.path(owner, name)
        taken = f"The repository {owner}/{name} exists on the local git server already: choose another name"
        draft = await asyncio.to_thread(_make_draft, path)
        if draft is None:
            raise ConflictError(taken)
        branch = f"--initial-branch={default_branch}"
        try:
            await self.command.run("init", "--quiet", "--bare", "--template=", branch, "--", str(draft))
            await asyncio.to_thread((draft / "description").write_text, description, "utf-8")
            # Renaming onto a repository fails, so of two creators at once one is refused.
            await asyncio.to_thread(os.rename, draft, path)
        except OSError as error:
            raise ConflictError(taken) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        return self.plan_repository(owner, name, default_branch=default_branch)

    async def open_pull_request(
        self, owner: str, name: str, *, title: str, body: str, source_branch: str, target_branch: str
    ) -> PullRequest:
        """Always NotImplementedError_: says how to merge the branch by hand."""
        raise NotImplementedError_(
            f"The local git server has no pull requests. The changes are on branch {source_branch} of "
            f"{self.repositories.clone_url(owner, name)}: merge it into {target_branch} with git, or configure a forge "
            "under integrations"
        )

    async def branch_heads(self, owner: str, name: str) -> dict[str, str]:
        """The commit of each branch. Raises NotFoundError."""
        path = await self._existing(owner, name)
        listed = await self.command.run(
            "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads", cwd=path
        )
        heads = (line.partition(" ") for line in listed.decode().splitlines())
        return {branch: commit for commit, _, branch in heads}

    async def delete_repository(self, owner: str, name: str) -> None:
        """Delete its folder. Raises NotFoundError."""
        await asyncio.to_thread(shutil.rmtree, await self._existing(owner, name))

    async def _existing(self, owner: str, name: str) -> Path:
        path = self.repositories.path(owner, name)
        if not await asyncio.to_thread(path.is_dir):
            raise NotFoundError(f"The repository {owner}/{name} does not exist on the local git server")
        return path

    def contents_url(self, repository: Repository, branch: str, path: str = "") -> str:
        """The page of a file or folder."""
        return self.repositories.contents_url(repository.owner, repository.name, branch, path)

    def plan_repository(self, owner: str, name: str, *, default_branch: str = "main") -> Repository:
        """The repository as it would be. Raises InputError for a bad name."""
        self.repositories.path(owner, name)
        return Repository(
            owner=owner,
            name=name,
            default_branch=default_branch,
            clone_url=self.repositories.clone_url(owner, name),
            web_url=self.repositories.web_url(owner, name),
        )


def _make_draft(path: Path) -> Path | None:
    """An empty folder beside `path`, invisible as a repository; None when `path` is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return None
    draft = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    draft.mkdir()
    return draft
