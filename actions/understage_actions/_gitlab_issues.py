"""What the GitLab actions for issues share: dates, types, and whether an epic may have an issue of a project."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from understage.sdk import InputError, UnderstageError
from understage_actions._calls import Calls, segment
from understage_actions._gitlab import project

IssueType = Literal["issue", "incident", "test_case", "task"]
IssueText = Annotated[str, Field(max_length=1_048_576)]
DateTime = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z$")]


def iso_date(text: str | None) -> str | None:
    """A time as GitLab takes it, in milliseconds; None for none. Raises InputError for one that no calendar has."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise InputError(f"Error converting input date - {error}") from error
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def scoped_epic(calls: Calls, project_id: int | str, epic: int | None) -> int | None:
    """`epic`, where its group has the project; else None, and a line in the log. Raises InputError for an unknown epic."""
    if not epic:
        return None
    try:
        is_scoped = await _is_scoped(calls, project_id, epic)
    except UnderstageError as error:
        raise InputError(f"Could not find epic scope: {error.message}") from error
    if is_scoped:
        calls.ctx.log.info("Epic is within Project Scope")
        return epic
    calls.ctx.log.warn(
        "Chosen epic is not within the Project Scope. The issue will be created without an associated epic."
    )
    return None


async def _is_scoped(calls: Calls, project_id: int | str, epic: int) -> bool:
    found = await calls.read(project(project_id))
    top = await _top_group(calls, found["namespace"]["id"])
    epics = await calls.pages(f"/groups/{top['id']}/epics")
    wanted = next((row for row in epics if row.get("id") == epic), None)
    if wanted is None:
        raise InputError(f"Epic with id {epic} not found in the top-level parent group {top.get('name')}.")
    group = await calls.read(f"/groups/{wanted['group_id']}")
    # Not by the text alone: acme/web is no part of acme/we.
    return f"{found['path_with_namespace']}/".startswith(f"{group['full_path']}/")


async def _top_group(calls: Calls, group: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await calls.read(f"/groups/{segment(group)}")
        while found.get("parent_id"):
            found = await calls.read(f"/groups/{segment(found['parent_id'])}")
    except UnderstageError as error:
        raise InputError(f"Error finding top-level parent group ID: {error.message}") from error
    return found
