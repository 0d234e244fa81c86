"""A commit on a branch of a GitHub repository by GitHub's API, and the pull request for it.

Not by git: commits that a GitHub App makes by the API are verified by GitHub, and a token needs no other permission for it.
Called by `publish:github:pull-request`. The requests are those of the library that the stock action uses
(octokit-plugin-create-pull-request 5), save that files which are the same already are not sent.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from understage.sdk import ConflictError, GitAuthor, InputError
from understage_actions._calls import given, segment
from understage_actions._effects import begun_before
from understage_actions._files import PlacedFile
from understage_actions._github import Github

ASSIGNED = "(assigned by GitHub)"
"""Stands in plans for what only GitHub knows."""
PLANNED_NUMBER = 43
"""The number of a pull request that a dry run tells of, as the stock action's."""


@dataclass(frozen=True)
class Proposal:
    """The change, and the pull request for it. `base` None is the repository's default branch."""

    branch: str
    base: str | None
    title: str
    body: str
    message: str
    files: Sequence[PlacedFile]
    deletions: Sequence[str]
    author: GitAuthor | None
    draft: bool = False
    update: bool = False
    force_fork: bool = False
    when_empty: bool = True


async def propose(github: Github, proposal: Proposal) -> dict[str, Any] | None:
    """Commit and open; returns `{base, html_url, number}`, or None for no change where none is wanted without.

    Raises ConflictError for a branch that has a pull request already, unless it is to be updated.
    """
    repository = await github.repository()
    base = proposal.base or str(repository["default_branch"])
    if proposal.branch == base:
        raise InputError(f"branchName must be another branch than the one to merge into, {base}")
    head = await _head(github, repository, proposal.force_fork)
    parent = await _newest_commit(github, base)
    tree = await _changes(github, parent["tree"], proposal)
    if not tree and not proposal.when_empty:
        return None
    existing = await _open_request(github, head.owner, proposal.branch)
    begun = f"create.pr.{github.key}.{proposal.branch}"
    if existing is not None and not proposal.update and not await github.calls.has_begun(begun):
        raise ConflictError(
            f"Pull request already exists: {existing['html_url']}. Set update: true to update it, or choose another branchName"
        )
    if not github.calls.ctx.is_dry_run:
        # From here on a pull request of the branch is this step's own, however often it runs.
        await begun_before(github.calls.ctx, begun)
    commit = await _commit(head, parent, tree, proposal)
    await _move_branch(head, proposal.branch, commit)
    return await _open(github, head, base, proposal, existing)


async def _head(github: Github, repository: dict[str, Any], force_fork: bool) -> Github:
    """Where the branch goes: the repository, or a fork of ours where we may not push or a fork is wanted.

    Apps cannot have forks; GitHub tells nothing of `push` to them.
    """
    may_push = (repository.get("permissions") or {}).get("push", True)
    if may_push and not force_fork:
        return github
    user = str((await github.calls.read("/user"))["login"])
    forks = await github.calls.pages(f"{github.path}/forks")
    # GitHub numbers the name of a fork where that of the repository is taken.
    name = next((fork["name"] for fork in forks if (fork.get("owner") or {}).get("login") == user), None)
    if name is None:
        name = await github.calls.write(
            "POST", f"{github.path}/forks", key=f"fork.{github.key}", keep=_name, planned=github.repo
        )
    return Github(github.calls, user, str(name))


async def _newest_commit(github: Github, branch: str) -> dict[str, str]:
    rows = await github.calls.find(f"{github.path}/commits", {"sha": branch, "per_page": 1})
    if not rows:
        if github.calls.ctx.is_dry_run:
            return {"sha": ASSIGNED, "tree": ASSIGNED}
        raise InputError(f"{github.owner}/{github.repo} has no branch {branch} with a commit: push to it first")
    return {"sha": rows[0]["sha"], "tree": rows[0]["commit"]["tree"]["sha"]}


async def _changes(github: Github, tree: str, proposal: Proposal) -> list[dict[str, Any]]:
    """The entries of the new tree that differ from the old one."""
    found = None if tree == ASSIGNED else await github.calls.find(f"{github.path}/git/trees/{tree}", {"recursive": 1})
    listing = (found or {}).get("tree", [])
    is_whole = found is not None and not found.get("truncated")
    there = {entry["path"]: (entry.get("mode"), entry.get("sha")) for entry in listing if entry.get("type") == "blob"}
    deleted = set(proposal.deletions)
    entries: list[dict[str, Any]] = []
    for file in proposal.files:
        if file.path in deleted or there.get(file.path) == (file.mode, file.blob_id()):
            continue
        entries.append({"path": file.path, "mode": file.mode, "type": "blob", "file": file})
    entries += [
        {"path": path, "mode": "100644", "type": "blob", "sha": None}
        for path in sorted(deleted)
        if path in there or (found is not None and not is_whole)
    ]
    return entries


async def _commit(head: Github, parent: dict[str, str], changes: list[dict[str, Any]], proposal: Proposal) -> str:
    tree = parent["tree"]
    if changes:
        entries = [await _entry(head, change) for change in changes]
        tree = await head.calls.write(
            "POST",
            f"{head.path}/git/trees",
            {"base_tree": parent["tree"], "tree": entries},
            key=None,
            keep=_sha,
            planned=ASSIGNED,
            hide=("content",),
        )
    author = proposal.author
    body = given(
        message=proposal.message,
        tree=tree,
        parents=[parent["sha"]],
        author=None if author is None else {"name": author.name, "email": author.email},
    )
    commit: str = await head.calls.write(
        "POST",
        f"{head.path}/git/commits",
        body,
        key=f"commit.{head.key}.{proposal.branch}",
        keep=_sha,
        planned=ASSIGNED,
    )
    return commit


async def _entry(head: Github, change: dict[str, Any]) -> dict[str, Any]:
    file = change.get("file")
    if file is None:
        return change
    entry = {"path": file.path, "mode": file.mode, "type": "blob"}
    text = file.text()
    if text is not None:
        return {**entry, "content": text}
    blob = await head.calls.write(
        "POST",
        f"{head.path}/git/blobs",
        {"content": base64.b64encode(file.content).decode(), "encoding": "base64"},
        key=None,
        keep=_sha,
        planned=file.blob_id(),
        hide=("content",),
    )
    return {**entry, "sha": blob}


async def _move_branch(head: Github, branch: str, commit: str) -> None:
    ref = f"heads/{'/'.join(segment(part) for part in branch.split('/'))}"
    key = f"branch.{head.key}.{branch}"
    if await head.calls.find(f"{head.path}/git/ref/{ref}") is not None:
        await head.calls.write("PATCH", f"{head.path}/git/refs/{ref}", {"sha": commit, "force": True}, key=key)
        return
    await head.calls.write("POST", f"{head.path}/git/refs", {"ref": f"refs/heads/{branch}", "sha": commit}, key=key)


async def _open_request(github: Github, owner: str, branch: str) -> dict[str, Any] | None:
    rows = await github.calls.find(f"{github.path}/pulls", {"head": f"{owner}:{branch}", "state": "open"})
    return rows[0] if rows else None


async def _open(
    github: Github, head: Github, base: str, proposal: Proposal, existing: dict[str, Any] | None
) -> dict[str, Any]:
    body = {
        "title": proposal.title,
        "body": proposal.body,
        "head": f"{head.owner}:{proposal.branch}",
        "base": base,
        "draft": proposal.draft,
    }
    pulls = f"{github.path}/pulls"
    number = PLANNED_NUMBER if existing is None else existing["number"]
    planned = {"base": base, "html_url": f"{github.web_url}/pull/{number}", "number": number}
    # An existing one keeps where it comes from; GitHub changes title, text and target only.
    method, path = ("POST", pulls) if existing is None else ("PATCH", f"{pulls}/{number}")
    sent = body if existing is None else {name: body[name] for name in ("title", "body", "base")}
    opened: dict[str, Any] = await github.calls.write(
        method, path, sent, key=f"create.pr.{github.key}.{proposal.branch}", keep=_request, planned=planned
    )
    return opened


def _request(answer: dict[str, Any]) -> dict[str, Any]:
    return {"base": answer["base"]["ref"], "html_url": answer["html_url"], "number": answer["number"]}


def _name(answer: dict[str, Any]) -> str:
    return str(answer["name"])


def _sha(answer: dict[str, Any]) -> str:
    return str(answer["sha"])
