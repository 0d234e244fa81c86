"""`bitbucketCloud:branchRestriction:create`: as the stock action (Backstage scaffolder-backend-module-bitbucket-cloud 0.3.11)."""

import json
from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._bitbucket import Bitbucket, RepoUrlText, TokenText, open_bitbucket
from understage_actions._calls import Number, given

CREATED = 201


class User(ActionModel):
    """A user."""

    uuid: str = Field(description="The user's identity, in braces: {…}")


class Group(ActionModel):
    """A group."""

    slug: str = Field(description="The group's name")


class RestrictionInput(ActionModel):
    """The restriction."""

    repo_url: RepoUrlText
    kind: Literal[
        "push",
        "force",
        "delete",
        "restrict_merges",
        "require_tasks_to_be_completed",
        "require_approvals_to_merge",
        "require_default_reviewer_approvals_to_merge",
        "require_no_changes_requested",
        "require_passing_builds_to_merge",
        "require_commits_behind",
        "reset_pullrequest_approvals_on_change",
        "smart_reset_pullrequest_approvals",
        "reset_pullrequest_changes_requested_on_change",
        "require_all_dependencies_merged",
        "enforce_merge_checks",
        "allow_auto_merge_when_builds_pass",
    ] = Field(description="What is restricted")
    branch_match_kind: Literal["glob", "branching_model"] = Field(
        default="branching_model", description="Whether branches are meant by a pattern or by what they are for"
    )
    branch_type: Literal["feature", "bugfix", "release", "hotfix", "development", "production"] = Field(
        default="development", description="What the branches are for, where they are meant by that"
    )
    pattern: str = Field(default="", description="The pattern, where branches are meant by one")
    value: Number | None = Field(default=1, description="How many, for the kinds that count")
    users: list[User] = Field(default_factory=list, description="Who may push or merge all the same")
    groups: list[Group] = Field(default_factory=list, description="Which groups may push or merge all the same")
    token: TokenText = None


class RestrictionOutput(ActionModel):
    """What Bitbucket said."""

    json_: str = Field(alias="json", description="Its answer, as JSON: data and status")
    status_code: Number = Field(description="The status of its answer")


@action(
    "bitbucketCloud:branchRestriction:create",
    description="Restricts what may be done to branches of a Bitbucket Cloud repository.",
    examples=[
        Example(
            "Nobody pushes to main or releases but one group",
            {
                "repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop",
                "kind": "push",
                "branchMatchKind": "glob",
                "pattern": "release/*",
                "groups": [{"slug": "maintainers"}],
            },
        ),
        Example(
            "Two approvals before a merge",
            {
                "repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop",
                "kind": "require_approvals_to_merge",
                "branchType": "production",
                "value": 2,
                "users": [{"uuid": "{a-b-c-d}"}],
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_restriction(ctx: ActionContext, input: RestrictionInput) -> RestrictionOutput:
    """Restrict."""
    bitbucket = await open_bitbucket(ctx, input.repo_url, input.token)
    body = _body(input)
    made = await _create(bitbucket, body)
    answer = {"data": made, "status": CREATED}
    ctx.log.info(f"Response from Bitbucket Cloud: {json.dumps(answer, ensure_ascii=False)}")
    return RestrictionOutput(json_=json.dumps(answer, ensure_ascii=False), status_code=CREATED)


def _body(input: RestrictionInput) -> dict[str, Any]:
    return {
        "groups": [{"slug": group.slug, "type": "group"} for group in input.groups],
        "users": [{"uuid": user.uuid, "type": "user"} for user in input.users],
        "branch_match_kind": input.branch_match_kind,
        "kind": input.kind,
        "type": "branchrestriction",
        "value": None if input.kind == "push" else input.value,
        **given(
            pattern=input.pattern if input.branch_match_kind == "glob" else None,
            branch_type=input.branch_type if input.branch_match_kind == "branching_model" else None,
        ),
    }


async def _create(bitbucket: Bitbucket, body: dict[str, Any]) -> Any:
    path = f"{bitbucket.path}/branch-restrictions"
    told = ("kind", "branch_match_kind", "pattern", "branch_type", "value")

    async def find() -> Any:
        rows = (await bitbucket.calls.read(path, {"kind": body["kind"]}))["values"]
        alike = [row for row in rows if all((row.get(name) or None) == (body.get(name) or None) for name in told)]
        return alike[0] if alike else None

    where = body.get("pattern") or body.get("branch_type")
    return await bitbucket.calls.write(
        "POST",
        path,
        body,
        key=f"restrict.bitbucket.{bitbucket.workspace}.{bitbucket.repo}.{body['kind']}.{where}",
        keep=lambda answer: answer,
        planned=body,
        unless=find,
    )
