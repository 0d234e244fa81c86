"""What the GitHub actions share: the repository of a step, signed in, and the fields they all have."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from understage.sdk import ActionContext, InputError, parse_repo_url
from understage_actions._calls import Calls, require_user_token, segment

RepoUrlText = Annotated[
    str,
    Field(
        description="The repository as the RepoUrlPicker gives it: `github.com?owner=<user or organization>&repo=<name>`"
    ),
]
TokenText = Annotated[
    str | None,
    Field(description="Token to sign in to GitHub with; default: the app or token of the configuration"),
]


@dataclass(frozen=True)
class Github:
    """One repository, which may be about to be made."""

    calls: Calls
    owner: str
    repo: str

    @property
    def path(self) -> str:
        """Where the API has the repository."""
        return f"/repos/{segment(self.owner)}/{segment(self.repo)}"

    @property
    def web_url(self) -> str:
        """The repository's page, also where there is none yet."""
        return f"https://{self.calls.api.host}/{self.owner}/{self.repo}"

    @property
    def key(self) -> str:
        """Names the repository in checkpoints."""
        return f"{self.owner}.{self.repo}"

    async def repository(self) -> dict[str, Any]:
        """The repository as GitHub tells it; in a dry run, of one that an earlier step would make, as it would be."""
        found: dict[str, Any] | None = await self.calls.find(self.path)
        if found is not None:
            return found
        if self.calls.ctx.is_dry_run:
            return self.planned()
        there: dict[str, Any] = await self.calls.read(self.path)  # raises what GitHub says
        return there

    def planned(self, branch: str = "main") -> dict[str, Any]:
        """The repository as it would be told, once it was made."""
        return {"clone_url": f"{self.web_url}.git", "html_url": self.web_url, "default_branch": branch}


async def open_github(
    ctx: ActionContext,
    repo_url: str,
    token: str | None,
    *,
    no_owner: str = "Invalid repository owner provided in repoUrl",
) -> Github:
    """The repository of a `repoUrl`, signed in. Raises InputError without an owner, an integration or a token."""
    target = parse_repo_url(repo_url)
    if target.owner is None:
        raise InputError(f"{no_owner}: write {target.host}?owner=…&repo={target.repo}")
    require_user_token(ctx, target.host, token)
    api = await ctx.ports.apis.get("github", target.host, owner=target.owner, repo=target.repo, token=token)
    return Github(Calls(ctx, api), target.owner, target.repo)
