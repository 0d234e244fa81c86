"""Protecting a branch on GitHub: the rules as fields of an input, and the requests. Called by publish and protection actions."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionModel, NotFoundError, UnderstageError
from understage_actions._calls import Number, given, segment
from understage_actions._github import Github

UNKNOWN_BRANCH_PAUSE = 0.6
"""Seconds after which GitHub knows a branch that was pushed a moment ago."""
_NEEDS_PRO = "Upgrade to GitHub Pro or make this repository public to enable this feature"


class Bypassers(ActionModel):
    """Who may merge without a pull request's approvals."""

    apps: list[str] | None = Field(default=None, description="Slugs of GitHub Apps")
    users: list[str] | None = Field(default=None, description="Logins")
    teams: list[str] | None = Field(default=None, description="Slugs of teams")


class Pushers(ActionModel):
    """Who may push to the branch; all others may not."""

    apps: list[str] | None = Field(default=None, description="Slugs of GitHub Apps")
    users: list[str] = Field(description="Logins")
    teams: list[str] = Field(description="Slugs of teams")


class ProtectionRules(ActionModel):
    """What pull requests to the branch must fulfil."""

    bypass_pull_request_allowances: Bypassers | None = Field(
        default=None, description="Who may merge without a pull request's approvals"
    )
    required_approving_review_count: Number = Field(default=1, description="Approvals a pull request needs, 0 to 6")
    restrictions: Pushers | None = Field(default=None, description="Who alone may push; for organizations only")
    require_code_owner_reviews: bool = Field(
        default=False, description="Code owners must approve changes of their files"
    )
    dismiss_stale_reviews: bool = Field(default=False, description="New commits undo the approvals before them")
    required_status_check_contexts: list[str] = Field(
        default_factory=list, description="Status checks that must have passed"
    )
    require_branches_to_be_up_to_date: bool = Field(
        default=True, description="A pull request must hold all of the branch before it is merged"
    )
    required_conversation_resolution: bool = Field(
        default=False, description="All conversations on the code must be resolved"
    )
    require_last_push_approval: bool = Field(
        default=False, description="Somebody else than who pushed last must approve"
    )
    required_commit_signing: bool = Field(default=False, description="Commits must be signed")
    required_linear_history: bool = Field(default=False, description="No merge commits on the branch")


async def protect_branch(
    github: Github, branch: str, rules: ProtectionRules, *, for_admins: bool, block_creations: bool | None = None
) -> None:
    """Protect a branch. Where the plan of the account has no protection, it is only logged; other refusals raise."""
    try:
        try:
            await _protect(github, branch, rules, for_admins, block_creations)
        except NotFoundError as error:
            if "Branch not found" not in error.message:
                raise
            await asyncio.sleep(UNKNOWN_BRANCH_PAUSE)
            await _protect(github, branch, rules, for_admins, block_creations)
    except UnderstageError as error:
        if _NEEDS_PRO not in error.message:
            raise
        github.calls.ctx.log.warn(
            "Branch protection was not enabled as it requires GitHub Pro for private repositories"
        )


async def _protect(
    github: Github, branch: str, rules: ProtectionRules, for_admins: bool, block_creations: bool | None
) -> None:
    path = f"{github.path}/branches/{segment(branch)}/protection"
    key = f"{github.key}.{branch}"
    body = _body(rules, for_admins, block_creations)
    await github.calls.write("PUT", path, body, key=f"enable.branch.protection.{key}")
    if rules.required_commit_signing:
        await github.calls.write("POST", f"{path}/required_signatures", key=f"require.signatures.{key}")


def _body(rules: ProtectionRules, for_admins: bool, block_creations: bool | None) -> dict[str, Any]:
    """As `PUT /repos/{owner}/{repo}/branches/{branch}/protection` wants it: without restrictions they must be null."""
    bypassers, pushers = rules.bypass_pull_request_allowances, rules.restrictions
    return {
        "required_status_checks": {
            "strict": rules.require_branches_to_be_up_to_date,
            "contexts": rules.required_status_check_contexts,
        },
        "restrictions": None if pushers is None else pushers.model_dump(exclude_none=True),
        "enforce_admins": for_admins,
        "required_pull_request_reviews": given(
            required_approving_review_count=rules.required_approving_review_count,
            require_code_owner_reviews=rules.require_code_owner_reviews,
            bypass_pull_request_allowances=None if bypassers is None else bypassers.model_dump(exclude_none=True),
            dismiss_stale_reviews=rules.dismiss_stale_reviews,
            require_last_push_approval=rules.require_last_push_approval,
        ),
        "required_conversation_resolution": rules.required_conversation_resolution,
        "required_linear_history": rules.required_linear_history,
        "block_creations": bool(block_creations),
    }
