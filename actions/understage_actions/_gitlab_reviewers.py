"""The people of a merge request on GitLab. Whom GitLab does not know is told in the log, and left out, as the stock action does.

Called by `publish:gitlab:merge-request`.
"""

import asyncio
from collections.abc import Sequence

from understage.sdk import UnderstageError
from understage_actions._gitlab import Gitlab, project

PAUSE = 1.0
ATTEMPTS = 30
"""For so many seconds GitLab may work out who may approve."""
UNSETTLED = ("preparing", "approvals_syncing", "checking")


async def find_people(gitlab: Gitlab, names: Sequence[str], role: str) -> list[int]:
    """The numbers of the users of these names."""
    found: list[int] = []
    for name in names:
        try:
            found.append(await gitlab.user_id(name))
        except UnderstageError as error:
            gitlab.calls.ctx.log.warn(
                f"Failed to find gitlab user id for {name}: {error.message}. Proceeding with MR creation without {role}."
            )
    return found


async def add_reviewers_of_rules(gitlab: Gitlab, path: str, number: int, reviewers: Sequence[int]) -> None:
    """Ask those who may approve by a rule for a review, beside `reviewers`. A dry run only says so: there are no rules yet."""
    ctx, request = gitlab.calls.ctx, f"{project(path)}/merge_requests/{number}"
    if ctx.is_dry_run:
        ctx.log.info("Would ask those who may approve by a rule of the project for a review")
        return
    try:
        await _settle(gitlab, request)
        rules = await gitlab.calls.read(f"{request}/approval_rules")
    except UnderstageError as error:
        ctx.log.warn(
            f"Failed to retrieve approval rules for MR {number}: {error.message}. Proceeding with MR creation without "
            "reviewers from approval rules."
        )
        return
    eligible = [int(user["id"]) for rule in rules for user in rule.get("eligible_approvers") or []]
    if not eligible:
        return
    try:
        everybody = list(dict.fromkeys([*eligible, *reviewers]))
        key = f"create.mr.assign.reviewers.{path}.{number}"
        await gitlab.calls.write("PUT", request, {"reviewer_ids": everybody}, key=key)
    except UnderstageError as error:
        ctx.log.warn(f"Failed to assign reviewers from approval rules: {error.message}.")


async def _settle(gitlab: Gitlab, request: str) -> None:
    """Wait until GitLab knows the rules of a merge request that was opened a moment ago."""
    for _ in range(ATTEMPTS):
        found = await gitlab.calls.read(request)
        if found.get("detailed_merge_status") not in UNSETTLED:
            return
        await asyncio.sleep(PAUSE)
