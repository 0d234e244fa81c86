"""`github:environment:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, UnderstageError, action
from understage_actions._calls import Number, given, segment
from understage_actions._github import Github, RepoUrlText, TokenText, open_github
from understage_actions._github_sealing import store_secrets


class BranchPolicy(ActionModel):
    """Which branches may be deployed: one of the two is true."""

    protected_branches: bool = Field(alias="protected_branches", description="Branches with protection rules")
    custom_branch_policies: bool = Field(alias="custom_branch_policies", description="Branches by name patterns")


class CreateEnvironmentInput(ActionModel):
    """The environment."""

    repo_url: RepoUrlText
    name: str = Field(description="Name of the environment")
    deployment_branch_policy: BranchPolicy | None = Field(
        default=None, description="Which branches may be deployed to it; default: all"
    )
    custom_branch_policy_names: list[str] | None = Field(
        default=None, description="Patterns of branches that may be deployed; `*` does not match a slash"
    )
    custom_tag_policy_names: list[str] | None = Field(
        default=None, description="Patterns of tags that may be deployed; `*` does not match a slash"
    )
    environment_variables: dict[str, str] | None = Field(default=None, description="Variables of the environment")
    secrets: dict[str, str] | None = Field(default=None, description="Secrets of the environment")
    token: TokenText = None
    wait_timer: Number | None = Field(default=None, description="Minutes that a deployment waits")
    prevent_self_review: bool | None = Field(
        default=None, description="Whether nobody may approve a deployment of their own"
    )
    reviewers: list[str] | None = Field(
        default=None, description="Entity refs of users and groups, one of whom must approve a deployment"
    )


@action(
    "github:environment:create",
    description="Makes a deployment environment of a GitHub repository, with its rules, variables and secrets.",
    examples=[
        Example("An environment", {"repoUrl": "github.com?repo=web&owner=acme", "name": "staging"}),
        Example(
            "Releases only, after a review",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "name": "production",
                "deploymentBranchPolicy": {"protected_branches": False, "custom_branch_policies": True},
                "customBranchPolicyNames": ["main"],
                "customTagPolicyNames": ["v*"],
                "environmentVariables": {"REGION": "eu"},
                "secrets": {"API_KEY": "${{ secrets.API_KEY }}"},
                "waitTimer": 5,
                "preventSelfReview": True,
                "reviewers": ["group:default/team-a", "user:default/ada"],
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_environment(ctx: ActionContext, input: CreateEnvironmentInput) -> None:
    """Create or update an environment."""
    github = await open_github(
        ctx, input.repo_url, input.token, no_owner=f"No owner provided for repo {input.repo_url}"
    )
    await github.repository()
    calls, path = github.calls, f"{github.path}/environments/{segment(input.name)}"
    key = f"{github.key}.{input.name}"
    policy = input.deployment_branch_policy
    rules = given(
        deployment_branch_policy=None if policy is None else policy.model_dump(by_alias=True),
        wait_timer=input.wait_timer,
        prevent_self_review=input.prevent_self_review,
        reviewers=await _reviewers(github, input.reviewers or []) or None,
    )
    await calls.write("PUT", path, rules, key=f"create.or.update.environment.{key}")
    patterns = {"branch": input.custom_branch_policy_names, "tag": input.custom_tag_policy_names}
    for type, names in patterns.items():
        for name in names or []:
            await _add_policy(github, path, type, name, key)
    for name, value in (input.environment_variables or {}).items():
        await _add_variable(github, path, name, value, key)
    await store_secrets(calls, f"{path}/secrets", input.secrets or {}, key=f"create.or.update.env.secret.{key}")


async def _add_policy(github: Github, path: str, type: str, name: str, key: str) -> None:
    policies = f"{path}/deployment-branch-policies"

    async def added_before() -> bool | None:
        rows = (await github.calls.read(policies)).get("branch_policies", [])
        return any(row.get("name") == name and row.get("type", "branch") == type for row in rows) or None

    await github.calls.write(
        "POST",
        policies,
        {"name": name, "type": type},
        key=f"create.deployment.branch.policy.{type}.{key}.{name}",
        unless=added_before,
    )


async def _add_variable(github: Github, path: str, name: str, value: str, key: str) -> None:
    async def added_before() -> bool | None:
        return True if await github.calls.find(f"{path}/variables/{segment(name)}") is not None else None

    await github.calls.write(
        "POST",
        f"{path}/variables",
        {"name": name, "value": value},
        key=f"create.env.variable.{key}.{name}",
        unless=added_before,
    )


async def _reviewers(github: Github, refs: list[str]) -> list[dict[str, Any]]:
    """GitHub's users and teams of the name of each entity; those it does not know are told in the log and left out."""
    if not refs:
        return []
    found: list[dict[str, Any]] = []
    for ref, entity in zip(refs, await github.calls.ctx.ports.catalog.get_entities(refs), strict=True):
        name = str(((entity or {}).get("metadata") or {}).get("name", ""))
        kind = (entity or {}).get("kind")
        if kind not in ("User", "Group"):
            github.calls.ctx.log.warn(f"{ref} is no user or group of the catalog: it will not review deployments")
            continue
        team = f"/orgs/{segment(github.owner)}/teams/{segment(name)}"
        try:
            account = await github.calls.read(f"/users/{segment(name)}" if kind == "User" else team)
        except UnderstageError as error:
            github.calls.ctx.log.error(f"{'User' if kind == 'User' else 'Team'} not found: {error.message}")
            continue
        found.append({"type": "User" if kind == "User" else "Team", "id": account["id"]})
    return found
