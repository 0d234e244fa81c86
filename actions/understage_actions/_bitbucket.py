"""What the Bitbucket Cloud actions share: the repository of a step, signed in, and the fields that all actions have."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from understage.sdk import ActionContext, InputError, parse_repo_url
from understage_actions._calls import Calls, require_user_token, segment

HOST = "bitbucket.org"

RepoUrlText = Annotated[
    str,
    Field(
        description="The repository as the RepoUrlPicker gives it: `bitbucket.org?workspace=…&project=<key>&repo=<name>`"
    ),
]
TokenText = Annotated[
    str | None, Field(description="Token to sign in to Bitbucket Cloud with; default: what the configuration has")
]


@dataclass(frozen=True)
class Bitbucket:
    """A repository of Bitbucket Cloud, as one step uses it. `project` is empty where the step names none."""

    calls: Calls
    host: str
    workspace: str
    repo: str
    project: str = ""

    @property
    def path(self) -> str:
        """Where the API has it."""
        return repository(self.workspace, self.repo)

    @property
    def web_url(self) -> str:
        """Its page."""
        return f"https://{self.host}/{self.workspace}/{self.repo}"


async def open_bitbucket(
    ctx: ActionContext, repo_url: str, token: str | None, *, needs_project: bool = False
) -> Bitbucket:
    """The repository of a `repoUrl`, signed in. Raises InputError for what the stock actions refuse, and without a token."""
    target = parse_repo_url(repo_url)
    for name in ("workspace", "project") if needs_project else ("workspace",):
        if not getattr(target, name):
            raise InputError(f"Invalid repo URL passed to publisher: {repo_url}, missing {name}")
    require_user_token(ctx, target.host, token)
    api = await ctx.ports.apis.get("bitbucketCloud", target.host, token=token)
    return Bitbucket(Calls(ctx, api), target.host, target.workspace or "", target.repo, target.project or "")


def repository(workspace: str, repo: str) -> str:
    """Where the API has a repository."""
    return f"/repositories/{segment(workspace)}/{segment(repo)}"


def quoted(text: str) -> str:
    """A text in a query of Bitbucket's own language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def page_of(answer: dict[str, Any]) -> str:
    """The page for people of what an answer is about."""
    return str(answer["links"]["html"]["href"])
