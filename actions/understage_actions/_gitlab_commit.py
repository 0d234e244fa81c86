"""A commit on a branch of a GitLab project by GitLab's API. Called by `publish:gitlab:merge-request` and `gitlab:repo:push`.

By the API and not by git, as the stock actions: a project is not cloned for a few files, and a token that may use the API does.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from understage.sdk import NotFoundError
from understage_actions._calls import Calls, segment
from understage_actions._files import PlacedFile
from understage_actions._gitlab import project

ROWS = 100
PAGES_LIMIT = 1000
CommitAction = Literal["create", "update", "delete", "skip", "auto"]
_ALGORITHMS = {40: "sha1", 64: "sha256"}


async def changes(
    calls: Calls,
    project_path: str,
    branch: str,
    files: Sequence[PlacedFile],
    action: CommitAction | None,
    *,
    below: str | None = None,
) -> list[dict[str, Any]]:
    """What a commit on `branch` has to do for `files`, as GitLab's API takes it.

    `auto` looks what is there below the folder `below`: what is the same is left out, other files are updated or created.
    """
    if action == "skip":
        return []
    there: Mapping[str, str] = {}
    if action in (None, "auto"):
        there = await _blobs(calls, project_path, branch, below)
    found: list[dict[str, Any]] = []
    for file in files:
        wanted = _action_for(file, there) if action in (None, "auto") else action
        if wanted != "skip":
            found.append(_change(file, str(wanted)))
    return found


def _action_for(file: PlacedFile, there: Mapping[str, str]) -> CommitAction:
    id = there.get(file.path)
    if id is None:
        return "create"
    algorithm = _ALGORITHMS.get(len(id))
    return "skip" if algorithm is not None and file.blob_id(algorithm) == id else "update"


def _change(file: PlacedFile, action: str) -> dict[str, Any]:
    place = {"action": action, "file_path": file.path}
    if action == "delete":
        return place
    return {
        **place,
        "encoding": "base64",
        "content": base64.b64encode(file.content).decode(),
        "execute_filemode": file.mode == "100755",
    }


async def _blobs(calls: Calls, project_path: str, branch: str, below: str | None) -> dict[str, str]:
    """Git's ids of the files of a branch by path; none, and a line in the log, where they cannot be read."""
    query: dict[str, str | int] = {"ref": branch, "recursive": "true"}
    if below:
        query["path"] = below
    try:
        rows = await calls.pages(f"{project(project_path)}/repository/tree", query, size=ROWS, limit=PAGES_LIMIT)
    except NotFoundError as error:
        calls.ctx.log.warn(
            f"Could not retrieve the list of files for {project_path} (branch: {branch}) : {error.message}"
        )
        return {}
    return {row["path"]: str(row.get("id")) for row in rows if row.get("type") == "blob"}


def branch_path(project_path: str, branch: str) -> str:
    """Where the API has a branch."""
    return f"{project(project_path)}/repository/branches/{segment(branch)}"


async def create_commit(
    calls: Calls,
    project_path: str,
    branch: str,
    message: str,
    actions: Sequence[dict[str, Any]],
    files: Sequence[PlacedFile],
    *,
    key: str,
    planned: str,
    allow_empty: bool | None = None,
) -> str:
    """Commit `actions`, which are for `files`, once a step; returns the id. Raises what GitLab refuses."""
    body: dict[str, Any] = {"branch": branch, "commit_message": message, "actions": list(actions)}
    if allow_empty is not None:
        body["allow_empty"] = allow_empty
    deleted = {change["file_path"] for change in actions if change["action"] == "delete"}

    async def committed_before() -> str | None:
        """The newest commit of the branch, where it has this message, and the branch holds what was to be committed."""
        found = await calls.find(branch_path(project_path, branch))
        head = (found or {}).get("commit") or {}
        if str(head.get("message", "")).strip() != message.strip():
            return None
        there = await _blobs(calls, project_path, branch, None)
        is_done = all(
            file.path not in there if file.path in deleted else _action_for(file, there) == "skip" for file in files
        )
        return str(head["id"]) if is_done else None

    commit: str = await calls.write(
        "POST",
        f"{project(project_path)}/repository/commits",
        body,
        key=key,
        keep=lambda answer: str(answer["id"]),
        planned=planned,
        unless=committed_before,
        hide=("content",),
    )
    return commit


async def find_default_branch(calls: Calls, project_path: str) -> str | None:
    """The project's default branch; None for a project without one."""
    found = await calls.read(project(project_path))
    return found.get("default_branch") or None
