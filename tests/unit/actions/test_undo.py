"""What an undo takes back and what it leaves; the order of its steps."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError
from understage.scaffolder.undo import undo_spec
from understage.sdk import Ports
from understage.sdk.testing import FakeForge, FakeForges, FakeGit, fake_ports, run_action
from understage.sdk.testing.forge import FakeRepository
from understage_actions._undoing import digest
from understage_actions.undo import undo_commit, undo_repository

PLACE = {"host": "forge.test", "owner": "platform", "name": "gitops"}


def world(before: dict[str, str] | None = None, **files: str) -> tuple[FakeForge, Ports]:
    """A repository with files, and what a commit before had of them."""
    forge = FakeForge()
    made = FakeRepository(forge.plan_repository("platform", "gitops"))
    made.branches["main"] = {name: text.encode() for name, text in files.items()}
    forge.repositories["platform/gitops"] = made
    forges = FakeForges([forge])
    git = FakeGit(forges)
    if before is not None:
        git.snapshots[BEFORE] = {name: text.encode() for name, text in before.items()}
    return forge, fake_ports(forges=forges, git=git)


BEFORE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def change(path: str, existed: bool, written: str) -> dict[str, Any]:
    return {"path": path, "existed": existed, "written": digest(written)}


async def test_a_commit_is_taken_back_file_by_file_but_for_what_was_changed_since(tmp_path: Path) -> None:
    forge, ports = world({"grown": "a"}, new="made", grown="a b", touched="by others", other="not ours")
    files = [change("new", False, "made"), change("grown", True, "a b"), change("touched", False, "made")]
    asked = {**PLACE, "commit": BEFORE, "files": files}
    dry = await run_action(undo_commit, asked, workspace=tmp_path, ports=ports, dry_run=True)
    assert (dry.output["undone"], len(forge.files("platform", "gitops"))) == (False, 4)
    result = await run_action(undo_commit, asked, workspace=tmp_path, ports=ports)
    assert result.output["undone"] is True
    assert forge.files("platform", "gitops") == {"grown": b"a", "touched": b"by others", "other": b"not ours"}
    assert "touched was changed since" in str(result.log)
    again = await run_action(undo_commit, asked, workspace=tmp_path, ports=ports)
    assert again.output["undone"] is False


async def test_what_the_repository_has_lost_stays_as_it_is(tmp_path: Path) -> None:
    forge, ports = world(new="made", grown="a b")
    files = [change("new", False, "made"), change("grown", True, "a b")]
    asked = {**PLACE, "commit": BEFORE, "files": files}
    result = await run_action(undo_commit, asked, workspace=tmp_path, ports=ports)
    assert forge.files("platform", "gitops") == {"grown": b"a b"}
    assert "grown stays as it is: its text before is not known" in str(result.log)


@pytest.mark.parametrize("path", ["../outside", ".git/config"])
async def test_a_note_that_leads_out_of_the_repository_is_refused(path: str, tmp_path: Path) -> None:
    _, ports = world(new="made")
    asked = {**PLACE, "commit": BEFORE, "files": [change(path, True, "y")]}
    with pytest.raises(InputError, match="leads out of the repository"):
        await run_action(undo_commit, asked, workspace=tmp_path, ports=ports)


@pytest.mark.parametrize(
    ("heads", "commit", "gone"),
    [
        ({"main": "c1"}, "c1", True),
        ({}, None, True),
        ({"main": "c2"}, "c1", False),
        ({"main": "c1", "feature": "c3"}, "c1", False),
        ({"main": "c1"}, None, False),
    ],
)
async def test_a_repository_goes_only_with_what_the_task_pushed(
    heads: dict[str, str], commit: str | None, gone: bool, tmp_path: Path
) -> None:
    forge, ports = world()
    made = forge.repositories["platform/gitops"]
    made.branches = {branch: {} for branch in heads}
    made.heads = heads
    result = await run_action(undo_repository, {**PLACE, "commit": commit}, workspace=tmp_path, ports=ports)
    assert (result.output["undone"], "platform/gitops" not in forge.repositories) == (gone, gone)


def test_the_last_effect_is_undone_first_and_its_texts_are_no_expressions() -> None:
    spec = {"steps": [{"id": "a"}, {"id": "b"}], "user": {"ref": "user:default/ada"}}
    text = "${{ secrets.token }}"
    checkpoints = {
        ("b", "undo.x"): {"action": "undo:location", "input": {"target": text}, "at": 1},
        ("a", "undo.2"): {"action": "undo:object", "input": {"name": "second", "namespace": None}, "at": 9},
        ("a", "undo.1"): {"action": "undo:object", "input": {"name": "first"}, "at": 8},
        ("a", "create.y"): {"name": "no note"},
    }
    made = undo_spec(spec, checkpoints)
    assert made["parameters"]["undo"] == [{"target": text}, {"name": "second"}, {"name": "first"}]
    assert [step["input"] for step in made["steps"]] == [
        {"target": "${{ parameters.undo[0].target }}"},
        {"name": "${{ parameters.undo[1].name }}"},
        {"name": "${{ parameters.undo[2].name }}"},
    ]
