"""A change of one environment's values file, as a pull request or a commit. `gitops:promote` and `gitops:rollback` call it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    ConflictError,
    Forge,
    InputError,
    NotFoundError,
    Repository,
)
from understage_actions._argocd_ways import Way, check_application, find_own_application, need_way
from understage_actions._gitops_rules import check_inside
from understage_actions._kubernetes_names import check_label, team_name
from understage_actions._publishing import author_of
from understage_actions._repository_name import RepositoryName

Json = dict[str, Any]


class EnvironmentInput(ActionModel):
    """Which service, and where its values are."""

    service: str = Field(description="Name of the service")
    team: str = Field(description="Who owns it: the name or the entity ref of a group; also the AppProject")
    repository: RepositoryName | None = Field(
        default=None, description="Where the values files are; default: the service's own, of the team's organization"
    )
    directory: str = Field(default="deploy/environments", description="Folder of the files <environment>.yaml")
    base_values: str = Field(default="deploy/values.yaml", description="Values of all environments")
    pull_request: bool = Field(default=True, description="false: a commit on the default branch, without review")
    argocd: str | None = Field(
        default=None, description="Name of a configured Argo CD instance; default: the first one"
    )


class Change(ActionModel):
    """One value that changes."""

    key: str
    before: Any = None
    after: Any = None


class EnvironmentOutput(ActionModel):
    """What came of it."""

    changes: list[Change] = Field(description="What changes in the environment; empty: it was so already")
    file: str = Field(description="The values file")
    commit_hash: str | None = Field(description="null when nothing changed, or in a dry run")
    branch: str | None
    pull_request_url: str | None


@dataclass(frozen=True)
class Environments:
    """The clone of a service's repository. `commit` is the one that is checked out."""

    ctx: ActionContext
    input: EnvironmentInput
    service: str
    team: str
    forge: Forge
    repository: Repository
    folder: Path
    commit: str

    def file(self, environment: str) -> str:
        """Path of the values file of an environment."""
        return f"{check_inside(self.input.directory, 'directory')}/{environment}.yaml"

    def read(self, path: str) -> bytes | None:
        """A file of the clone. Links are text in it, and lead nowhere."""
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def need(self, environment: str) -> bytes:
        """The values file of an environment. NotFoundError when the service has none."""
        text = self.read(self.file(environment))
        if text is None:
            raise NotFoundError(
                f"{self.repository.owner}/{self.repository.name} has no {self.file(environment)}: add the environment first"
            )
        return text

    async def application(self, environment: str) -> tuple[Way, Json]:
        """The Application of an environment. ConflictError for one of another team, or that deploys another repository."""
        way = need_way(self.ctx, instance=self.input.argocd, cluster=None)
        name = f"{self.service}-{environment}"
        found = await find_own_application(way, name, self.team)
        if found is None:
            raise NotFoundError(f"Application {name} does not exist in {way.place}")
        await check_application(way, name, self.team, self.repository.clone_url)
        return way, found

    async def write(
        self, environment: str, text: str, *, verb: str, title: str, body: str
    ) -> tuple[str | None, str, str | None]:
        """Write the file of an environment; returns commit, branch and URL of the pull request."""
        file = self.file(environment)
        digest = hashlib.sha256(f"{self.commit}\n{text}".encode()).hexdigest()[:10]
        # The same change of the same commit is the same branch: run again, there is still one pull request.
        branch = f"understage/{verb}-{self.service}-{environment}-{digest}"
        if not self.input.pull_request:
            branch = self.repository.default_branch
        where = f"{self.repository.owner}/{self.repository.name}"
        if self.ctx.is_dry_run:
            self.ctx.log.info(f"Would commit 1 file to {where} ({branch})")
            if self.input.pull_request:
                self.ctx.log.info(f"Would open a pull request into {self.repository.default_branch}")
            return None, branch, None
        (self.folder / file).write_text(text)
        commit = await self.ctx.ports.git.push_changes(
            self.folder,
            branch=branch,
            message=f"{title}\n\n{body}",
            author=author_of(self.ctx),
            credentials=self.forge.credentials,
        )
        self.ctx.log.info(f"Committed {file} to {where} ({branch})")
        if not self.input.pull_request:
            return commit, branch, None
        opened = await self.forge.open_pull_request(
            self.repository.owner,
            self.repository.name,
            title=title,
            body=body,
            source_branch=branch,
            target_branch=self.repository.default_branch,
        )
        self.ctx.log.info(f"Opened pull request {opened.url}")
        return commit, branch, opened.url


async def open_environments(ctx: ActionContext, input: EnvironmentInput) -> Environments:
    """Check the names, find and clone the repository. Raises before anything is touched."""
    service, team = check_label(input.service, "service", limit=53), team_name(input.team)
    check_inside(input.directory, "directory")
    check_inside(input.base_values, "baseValues")
    named = input.repository or RepositoryName(owner=team, name=service)
    forge = ctx.ports.forges.get(named.host) if named.host else ctx.ports.forges.default()
    if input.pull_request and forge.type == "local":
        raise InputError("The local git server has no pull requests: set `pullRequest: false`, or configure a forge")
    repository = await forge.get_repository(named.owner, named.name)
    if repository is None:
        raise NotFoundError(f"There is no repository {named.owner}/{named.name} on {forge.host}")
    folder = ctx.temporary_directory()
    commit = await ctx.ports.git.clone(repository.clone_url, folder, credentials=forge.credentials)
    return Environments(ctx, input, service, team, forge, repository, folder, commit)


def describe_changes(changes: Mapping[tuple[str, ...], tuple[Any, Any]], now: str, then: str) -> str:
    """A Markdown table of changed values."""
    rows = [f"| Value | {now} | {then} |", "|---|---|---|"]
    rows += [f"| `{'.'.join(path)}` | {_cell(before)} | {_cell(after)} |" for path, (before, after) in changes.items()]
    return "\n".join(rows)


def list_changes(changes: Mapping[tuple[str, ...], tuple[Any, Any]]) -> list[Change]:
    """For the output of the step."""
    return [Change(key=".".join(path), before=before, after=after) for path, (before, after) in changes.items()]


def check_state(application: Json) -> None:
    """ConflictError unless the Application is Synced and Healthy."""
    status = application.get("status") or {}
    sync = (status.get("sync") or {}).get("status") or "Unknown"
    health = (status.get("health") or {}).get("status") or "Unknown"
    if (sync, health) != ("Synced", "Healthy"):
        name = application["metadata"]["name"]
        raise ConflictError(
            f"Application {name} is {sync} and {health}: wait until it is Synced and Healthy, or set `requireHealthy: false`"
        )


def _cell(value: Any) -> str:
    """Values are written by others: no cell ends early, and nothing in it is markup."""
    text = re.sub(r"[`|\r\n]", " ", str(value))[:200]
    return "—" if value is None else f"`{text}`"
