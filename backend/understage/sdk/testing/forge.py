"""Git forges, in memory: repositories are dicts of files per branch."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from understage.errors import ConflictError, ForeignError, InputError, NotFoundError, NotImplementedError_
from understage.sdk.ports import Forge, GitCredentials, PullRequest, Repository


@dataclass
class FakeRepository:
    """A repository: `branches["main"]["README.md"]` is the content of a file. An empty one has no branches."""

    repository: Repository
    description: str = ""
    private: bool = True
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)
    pull_requests: list[tuple[str, str, PullRequest]] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeForge:
    """One forge. `owners` are those that exist; None means any. `unreachable` makes every call fail with that reason."""

    host: str = "forge.test"
    type: str = "gitea"
    credentials: GitCredentials | None = None
    owners: Sequence[str] | None = None
    repositories: dict[str, FakeRepository] = field(default_factory=dict)
    unreachable: str | None = None

    def __post_init__(self) -> None:
        self.credentials = self.credentials or GitCredentials("robot", "forge-password")

    async def get_repository(self, owner: str, name: str) -> Repository | None:
        """The repository, or None."""
        self._reach()
        found = self.repositories.get(f"{owner}/{name}")
        return found.repository if found else None

    async def create_repository(
        self, owner: str, name: str, *, description: str = "", private: bool = True, default_branch: str = "main"
    ) -> Repository:
        """Create an empty repository. Raises ConflictError for a taken name, NotFoundError for an unknown owner."""
        self._reach()
        if self.owners is not None and owner not in self.owners:
            raise NotFoundError(f"Organization {owner} does not exist on {self.host}")
        if f"{owner}/{name}" in self.repositories:
            raise ConflictError(f"The repository {owner}/{name} exists on {self.host} already")
        repository = self.plan_repository(owner, name, default_branch=default_branch)
        self.repositories[f"{owner}/{name}"] = FakeRepository(repository, description, private)
        return repository

    async def open_pull_request(
        self, owner: str, name: str, *, title: str, body: str, source_branch: str, target_branch: str
    ) -> PullRequest:
        """Open a pull request, or return the open one of the same branches. Raises NotFoundError for an absent branch."""
        self._reach()
        if self.type == "local":
            raise NotImplementedError_("The local git server has no pull requests; merge the branch with git")
        found = self.repositories.get(f"{owner}/{name}")
        if found is None:
            raise NotFoundError(f"The repository {owner}/{name} does not exist on {self.host}")
        for branch in (source_branch, target_branch):
            if branch not in found.branches:
                raise NotFoundError(f"The branch {branch} does not exist in {owner}/{name}")
        for source, target, pull_request in found.pull_requests:
            if (source, target) == (source_branch, target_branch):
                return pull_request
        number = len(found.pull_requests) + 1
        opened = PullRequest(number=number, url=f"{found.repository.web_url}/pulls/{number}")
        found.pull_requests.append((source_branch, target_branch, opened))
        return opened

    async def branch_heads(self, owner: str, name: str) -> dict[str, str]:
        """The commit of each branch, as the fake git pushed it. Raises NotFoundError."""
        self._reach()
        if f"{owner}/{name}" not in self.repositories:
            raise NotFoundError(f"The repository {owner}/{name} does not exist on {self.host}")
        found = self.repositories[f"{owner}/{name}"]
        return {branch: found.heads.get(branch, "") for branch in found.branches}

    async def delete_repository(self, owner: str, name: str) -> None:
        """Delete it. Raises NotFoundError."""
        self._reach()
        if self.repositories.pop(f"{owner}/{name}", None) is None:
            raise NotFoundError(f"The repository {owner}/{name} does not exist on {self.host}")

    def plan_repository(self, owner: str, name: str, *, default_branch: str = "main") -> Repository:
        """The repository as it would be."""
        return Repository(
            owner=owner,
            name=name,
            default_branch=default_branch,
            clone_url=f"https://{self.host}/{owner}/{name}.git",
            web_url=f"https://{self.host}/{owner}/{name}",
        )

    def contents_url(self, repository: Repository, branch: str, path: str = "") -> str:
        """URL of a file or folder, in Gitea's form."""
        return f"{repository.web_url}/src/branch/{branch}/{path}"

    def files(self, owner: str, name: str, branch: str = "main") -> dict[str, bytes]:
        """A copy of the files on a branch, for assertions."""
        return copy.deepcopy(self.repositories[f"{owner}/{name}"].branches[branch])

    def _reach(self) -> None:
        if self.unreachable is not None:
            raise ForeignError(f"{self.host} cannot be reached: {self.unreachable}")


@dataclass
class FakeForges:
    """The configured forges, in order; the first is the default. None by default."""

    forges: Sequence[Forge] = ()

    def get(self, host: str) -> Forge:
        """The forge of a host. Raises InputError with the hosts there are."""
        for forge in self.forges:
            if forge.host == host:
                return forge
        known = ", ".join(forge.host for forge in self.forges) or "none"
        raise InputError(f"No integration for host {host}; configured are: {known}")

    def default(self) -> Forge:
        """The first forge. Raises InputError when there is none."""
        if not self.forges:
            raise InputError("No forge is configured")
        return self.forges[0]
