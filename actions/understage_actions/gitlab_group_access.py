"""`gitlab:group:access`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, action
from understage_actions._calls import Calls, Number, given, segment
from understage_actions._gitlab import HostText, TokenText, open_gitlab

LEVELS = {
    "no_access": 0, "minimal_access": 5, "guest": 10, "planner": 15, "reporter": 20, "developer": 30, "maintainer": 40,
    "owner": 50,
}  # fmt: skip


class GroupAccessInput(ActionModel):
    """The group, and who gets or loses access."""

    repo_url: HostText
    token: TokenText = None
    path: Number | str = Field(description="Number or path of the group")
    user_ids: list[Number] | None = Field(default=None, description="Numbers of users")
    group_ids: list[Number] | None = Field(default=None, description="Numbers of groups that the group is shared with")
    action: Literal["add", "remove"] = Field(default="add", description="Whether they get or lose access")
    access_level: Number | str = Field(
        default=30, description=f"What they may do: {', '.join(f'{name} ({level})' for name, level in LEVELS.items())}"
    )


class GroupAccessOutput(ActionModel):
    """Who got or lost access."""

    user_ids: list[Number] | None = Field(default=None, description="Numbers of the users")
    group_ids: list[Number] | None = Field(default=None, description="Numbers of the groups")
    path: Number | str | None = Field(default=None, description="Number or path of the group")
    access_level: Number | None = Field(default=None, description="What they may do from now on")


@action(
    "gitlab:group:access",
    description="Gives users and groups access to a GitLab group, or takes it away.",
    examples=[
        Example("Let two users develop", {"repoUrl": "gitlab.com", "path": "acme/platform", "userIds": [5, 6]}),
        Example(
            "Share a group with another one",
            {"repoUrl": "gitlab.com", "path": 7, "groupIds": [9], "accessLevel": "maintainer"},
        ),
        Example(
            "Take access away",
            {"repoUrl": "gitlab.com", "path": "acme/platform", "userIds": [5], "groupIds": [9], "action": "remove"},
        ),
    ],
    supports_dry_run=True,
)
async def change_access(ctx: ActionContext, input: GroupAccessInput) -> GroupAccessOutput:
    """Add or remove members and shares."""
    users, groups = input.user_ids or [], input.group_ids or []
    if not users and not groups:
        raise InputError("At least one of userIds or groupIds must be provided and non-empty")
    level = access_level(input.access_level)
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)
    doing, towards = ("Adding", "to") if input.action == "add" else ("Removing", "from")
    for kind, ids in (("user", users), ("group", groups)):
        for id in ids:
            ctx.log.info(f"{doing} {kind} {id} {towards} group {input.path}")
            await _change(gitlab.calls, input, kind, id, level)
    return GroupAccessOutput(
        path=input.path,
        **given(
            user_ids=users or None,
            group_ids=groups or None,
            access_level=level if input.action == "add" else None,
        ),
    )


def access_level(level: int | str) -> int:
    """The number of a level. Raises InputError for a word that is none."""
    if isinstance(level, int):
        return level
    found = LEVELS.get(level.lower())
    if found is None:
        raise InputError(
            f'Invalid access level: "{level}". Valid values are: {", ".join(LEVELS)} or a numeric GitLab access level'
        )
    return found


async def _change(calls: Calls, input: GroupAccessInput, kind: str, id: int, level: int) -> None:
    group = f"/groups/{segment(input.path)}"
    key = f"gitlab.group.member.{kind}.{input.action}.{input.path}.{id}"
    rows, entry = (
        (f"{group}/members", f"{group}/members/{id}") if kind == "user" else (f"{group}/share", f"{group}/share/{id}")
    )
    if input.action == "remove":
        await calls.write("DELETE", entry, key=key, unless=lambda: _gone(calls, group, kind, id))
        return
    body: dict[str, Any] = {"user_id": id, "access_level": level}
    if kind == "group":
        body = {"group_id": id, "group_access": level}
    try:
        await calls.write("POST", rows, body, key=key)
    except ConflictError:
        if kind == "user":
            await calls.write("PUT", entry, {"access_level": level}, key=f"{key}.edit")
            return
        await calls.write("DELETE", entry, key=None)
        await calls.write("POST", rows, body, key=f"{key}.again")


async def _gone(calls: Calls, group: str, kind: str, id: int) -> bool | None:
    if kind == "user":
        return True if await calls.find(f"{group}/members/{id}") is None else None
    shares = (await calls.read(group)).get("shared_with_groups") or []
    return all(share.get("group_id") != id for share in shares) or None
