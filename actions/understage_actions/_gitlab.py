"""What the GitLab actions share: the host of a step, signed in, its projects, and the fields that all actions have."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from understage.sdk import ActionContext, InputError, RepoUrl, parse_repo_url
from understage_actions._calls import Calls, Number, require_user_token, segment

PLANNED_ID = 42
"""The number of whatever a dry run tells of, as the stock actions'."""

RepoUrlText = Annotated[
    str,
    Field(description="The project as the RepoUrlPicker gives it: `gitlab.com?owner=<group or user>&repo=<name>`"),
]
HostText = Annotated[
    str, Field(description="GitLab's host, or a project of it as the RepoUrlPicker gives it; only the host is used")
]
TokenText = Annotated[
    str | None, Field(description="OAuth token to sign in to GitLab with; default: the token of the configuration")
]
ProjectId = Annotated[Number | str, Field(description="Number of the project, or its path with the group's")]
AtLeastZero = Annotated[int, Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})]


@dataclass(frozen=True)
class Gitlab:
    """GitLab as one step uses it; `target` is what the step's `repoUrl` names."""

    calls: Calls
    target: RepoUrl

    @property
    def web_url(self) -> str:
        """GitLab's address for people, without a slash at its end."""
        return self.calls.api.url.removesuffix("/api/v4")

    @property
    def project_path(self) -> str:
        """The path of the project that `repoUrl` names: by `project`, else by owner and repo. Raises InputError for none."""
        target = self.target
        if target.project:
            return target.project
        if not target.owner or not target.repo:
            raise InputError(f"No owner provided for host: {target.host}, and repo {target.repo}: write owner=…&repo=…")
        return f"{target.owner}/{target.repo}"

    async def user_id(self, name: str) -> int:
        """The number of the user of that name. Raises InputError when there is none."""
        rows = await self.calls.read("/users", {"username": name})
        if not rows:
            raise InputError(f"{self.target.host} has no user {name}")
        return int(rows[0]["id"])


async def open_gitlab(
    ctx: ActionContext, repo_url: str, token: str | None, *, needs_repo: bool = False, for_anybody: bool = False
) -> Gitlab:
    """The host of a `repoUrl`, signed in. Raises InputError without an integration or a token.

    With `needs_repo` the `repoUrl` names a project, by repo or `project`. `for_anybody` may sign in by the configuration also
    where users must bring a token of their own.
    """
    target = parse_repo_url(repo_url, needs_repo=False)
    if needs_repo and not target.project:
        target = parse_repo_url(repo_url)
    if not for_anybody:
        require_user_token(ctx, target.host, token)
    api = await ctx.ports.apis.get("gitlab", target.host, token=token)
    return Gitlab(Calls(ctx, api), target)


def project(id: int | str) -> str:
    """Where the API has a project, by number or path."""
    return f"/projects/{segment(id)}"


def fields(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    """The members of an answer that a step keeps."""
    return {name: answer.get(name) for name in names}
