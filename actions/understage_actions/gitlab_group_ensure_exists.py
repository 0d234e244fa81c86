"""`gitlab:group:ensureExists`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0)."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._calls import Number, given, segment
from understage_actions._gitlab import PLANNED_ID, HostText, TokenText, open_gitlab


class GroupPart(ActionModel):
    """One level of the path."""

    name: str = Field(description="Name of the group, for people")
    slug: str = Field(description="Its name in paths")


class EnsureGroupInput(ActionModel):
    """The group."""

    repo_url: HostText
    token: TokenText = None
    description: str | None = Field(default=None, description="Description of the innermost group, if it is made")
    path: list[str | GroupPart] = Field(
        min_length=1, description="The groups from the outermost to the innermost; a text may name several with slashes"
    )


class EnsureGroupOutput(ActionModel):
    """The group."""

    group_id: Number | None = Field(default=None, description="Number of the innermost group")


@action(
    "gitlab:group:ensureExists",
    description="Makes those groups of a path in GitLab that are missing.",
    examples=[
        Example("Make sure that there is a group", {"repoUrl": "gitlab.com", "path": ["acme/platform", "teams"]}),
        Example(
            "With a name for people",
            {
                "repoUrl": "gitlab.com",
                "path": ["acme", {"name": "Team A", "slug": "team-a"}],
                "description": "What team A owns",
            },
        ),
    ],
    supports_dry_run=True,
)
async def ensure_group(ctx: ActionContext, input: EnsureGroupInput) -> EnsureGroupOutput:
    """Look for each level, make it where it is missing."""
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)
    calls = gitlab.calls
    parts = [part for item in input.path for part in _parts(item)]
    parent: int | None = None
    path = ""
    for index, part in enumerate(parts):
        path = f"{path}/{part.slug}".lstrip("/")
        found = await calls.find(f"/groups/{segment(path)}")
        if found is not None:
            parent = int(found["id"])
            continue
        ctx.log.info(f"creating missing group {path}")
        is_last = index == len(parts) - 1
        body = given(
            name=part.name, path=part.slug, parent_id=parent, description=input.description if is_last else None
        )
        parent = await calls.write(
            "POST", "/groups", body, key=f"ensure.{path}", keep=lambda answer: int(answer["id"]), planned=PLANNED_ID
        )
    return EnsureGroupOutput(group_id=parent)


def _parts(item: str | GroupPart) -> list[GroupPart]:
    if isinstance(item, GroupPart):
        return [item]
    return [GroupPart(name=slug, slug=slug) for slug in item.strip("/").split("/")]
