"""Variables of a GitLab project. Called by `gitlab:projectVariable:create` and `publish:gitlab`."""

from typing import Any

from understage_actions._calls import Calls, segment
from understage_actions._gitlab import project


async def create_variable(calls: Calls, project_id: int | str, variable: dict[str, Any]) -> None:
    """Create a variable, written as GitLab's API takes it, once a step. Its value is never told. Raises what GitLab refuses."""
    path = f"{project(project_id)}/variables"
    name, scope = variable["key"], variable["environment_scope"]

    async def created_before() -> bool | None:
        query = {"filter[environment_scope]": scope}
        return True if await calls.find(f"{path}/{segment(name)}", query) is not None else None

    key = f"create.project.variables.{project_id}.{name}.{scope}"
    await calls.write("POST", path, variable, key=key, unless=created_before, hide=("value",))
