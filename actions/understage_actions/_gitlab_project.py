"""Making a project on GitLab with all that belongs to it. Called by `publish:gitlab`.

The order of the requests is that of the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0). Requests name the
project by its path, so that a plan, which knows no number, names the same ones.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from understage.sdk import ConflictError, InputError, NotFoundError, UnderstageError
from understage_actions._calls import Calls, given, segment
from understage_actions._gitlab import PLANNED_ID, Gitlab, fields, project
from understage_actions._gitlab_variables import create_variable

OWNER = 50
"""The access level of owners."""
_KEPT = ("id", "http_url_to_repo", "default_branch")


class _Sent(BaseModel):
    """Members by the names of GitLab's API, unknown ones refused."""

    model_config = ConfigDict(extra="forbid")


class ProjectSettings(_Sent):
    """Settings of the project; they go before the members of the input that mean the same."""

    name: str | None = Field(default=None, description="Name of the project, for people; default: that in repoUrl")
    path: str | None = Field(default=None, description="Its name in paths; default: that in repoUrl")
    auto_devops_enabled: bool | None = Field(default=None, description="Whether Auto DevOps is on")
    ci_config_path: str | None = Field(default=None, description="Where its pipelines are described")
    description: str | None = Field(default=None, description="Description of the project")
    merge_method: Literal["merge", "rebase_merge", "ff"] | None = Field(
        default=None, description="How merge requests are merged"
    )
    squash_option: Literal["default_off", "default_on", "never", "always"] | None = Field(
        default=None, description="Whether merge requests are merged as one commit"
    )
    topics: list[str] | None = Field(default=None, description="Topics of the project")
    visibility: Literal["private", "public", "internal"] | None = Field(default=None, description="Who may see it")
    only_allow_merge_if_all_discussions_are_resolved: bool | None = Field(
        default=None, description="Whether all discussions must be resolved before a merge"
    )
    only_allow_merge_if_pipeline_succeeds: bool | None = Field(
        default=None, description="Whether the pipeline must have succeeded before a merge"
    )
    allow_merge_on_skipped_pipeline: bool | None = Field(
        default=None, description="Whether a pipeline that was skipped has succeeded"
    )


class Branch(_Sent):
    """A branch beside the default one."""

    name: str = Field(description="Name of the branch")
    protect: bool | None = Field(default=None, description="Whether it is protected")
    create: bool | None = Field(default=None, description="Whether it is made")
    ref: str | None = Field(default=None, description="What it is made from (default: master)")


class ProjectVariable(_Sent):
    """A variable for the project's pipelines."""

    key: str = Field(description="Name of the variable")
    value: str = Field(description="Value of the variable")
    description: str | None = Field(default=None, description="What it is for")
    variable_type: Literal["env_var", "file"] | None = Field(
        default=None, description="env_var (default), or file: jobs find a file with the value"
    )
    protected: bool | None = Field(default=None, description="Whether only protected branches and tags have it")
    masked: bool | None = Field(default=None, description="Whether logs of jobs do not show it")
    masked_and_hidden: bool | None = Field(default=None, description="Whether the settings do not show it either")
    raw: bool | None = Field(default=None, description="Whether `$` in the value means itself")
    environment_scope: str | None = Field(default=None, description="Environments that have it (default: all)")


async def find_namespace(gitlab: Gitlab) -> dict[str, Any]:
    """The group or user of the step's `repoUrl`. Raises InputError for one that is not there."""
    owner = str(gitlab.target.owner)
    try:
        found: dict[str, Any] = await gitlab.calls.read(f"/namespaces/{segment(owner)}")
    except NotFoundError as error:
        raise InputError(
            f"The namespace {owner} is not found or the user doesn't have permissions to access it"
        ) from error
    return found


async def find_project(calls: Calls, path: str) -> dict[str, Any] | None:
    """A project by its path; None where there is none."""
    found = await calls.find(project(path))
    return None if found is None else fields(found, *_KEPT)


async def make_project(gitlab: Gitlab, namespace: dict[str, Any], path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make it; returns `{id, http_url_to_repo, default_branch}`. Raises ConflictError for a taken path."""
    calls = gitlab.calls
    calls.ctx.log.info(f"Creating repo {gitlab.target.repo} in namespace {gitlab.target.owner}.")

    async def check_free() -> None:
        if await find_project(calls, path) is not None:
            raise ConflictError(
                f"The project {path} exists on {gitlab.target.host} already: choose another name, or set skipExisting"
            )

    async def made_before() -> dict[str, Any] | None:
        return await find_project(calls, path)

    made: dict[str, Any] = await calls.write(
        "POST",
        "/projects",
        {"namespace_id": namespace["id"], **body},
        key=f"create.project.{path}",
        keep=lambda answer: fields(answer, *_KEPT),
        planned={"id": PLANNED_ID, "http_url_to_repo": f"{gitlab.web_url}/{path}.git", "default_branch": None},
        check_first=check_free,
        unless=made_before,
    )
    return made


async def make_owner(calls: Calls, path: str, user: int) -> None:
    """Let a user own the project; whoever is a member already has the level changed."""
    members = f"{project(path)}/members"
    key = f"own.project.{path}.{user}"
    try:
        await calls.write("POST", members, {"user_id": user, "access_level": OWNER}, key=key)
    except ConflictError:
        await calls.write("PUT", f"{members}/{user}", {"access_level": OWNER}, key=f"{key}.edit")


async def add_branch(calls: Calls, path: str, branch: Branch) -> None:
    """Make and protect a branch. Raises InputError for what GitLab refuses."""
    ref = branch.ref or "master"
    branches, protected = f"{project(path)}/repository/branches", f"{project(path)}/protected_branches"

    async def there(place: str) -> bool | None:
        return True if await calls.find(f"{place}/{segment(branch.name)}") is not None else None

    if branch.create:
        try:
            await calls.write(
                "POST", branches, {"branch": branch.name, "ref": ref},
                key=f"create.branch.{path}.{branch.name}", unless=lambda: there(branches),
            )  # fmt: skip
        except UnderstageError as error:
            raise InputError(f"Branch creation failed for {branch.name}. {error.message}") from error
        calls.ctx.log.info(f"Branch {branch.name} created for {path} with ref {ref}")
    if branch.protect:
        try:
            await calls.write(
                "POST", protected, {"name": branch.name},
                key=f"protect.branch.{path}.{branch.name}", unless=lambda: there(protected),
            )  # fmt: skip
        except UnderstageError as error:
            raise InputError(f"Branch protection failed for {branch.name}. {error.message}") from error
        calls.ctx.log.info(f"Branch {branch.name} protected for {path}")


async def add_variable(calls: Calls, path: str, variable: ProjectVariable) -> None:
    """Make a variable. Raises InputError for what GitLab refuses."""
    body = given(
        key=variable.key,
        value=variable.value,
        variable_type=variable.variable_type or "env_var",
        protected=bool(variable.protected),
        masked=bool(variable.masked),
        masked_and_hidden=bool(variable.masked_and_hidden),
        raw=bool(variable.raw),
        environment_scope=variable.environment_scope or "*",
        description=variable.description,
    )
    try:
        await create_variable(calls, path, body)
    except UnderstageError as error:
        raise InputError(f"Environment variable creation failed for {variable.key}. {error.message}") from error
