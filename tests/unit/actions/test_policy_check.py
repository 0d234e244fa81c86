"""`policy:check`: what it looks at, what it says, when it fails."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError, NotFoundError, SourceError, UnderstageError
from understage.sdk import Violation
from understage.sdk.testing import FakeGuardrails, fake_ports, run_action
from understage_actions.policy_check import check

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n"


def judge(item: Any) -> list[Violation]:
    name = item["metadata"]["name"]
    return [Violation("no-ledger", item["kind"], name, "is a ledger; name it otherwise")] if name == "ledger" else []


RULES = fake_ports(guardrails=FakeGuardrails(judge))


def write(workspace: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)


async def test_all_manifests_of_a_folder_are_looked_at(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "out/a.yaml": DEPLOYMENT.format(name="shop") + "---\n" + DEPLOYMENT.format(name="ledger"),
            "out/deep/b.json": '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ledger"}}',
            "out/notes.txt": "no manifest",
        },
    )
    result = await run_action(check, {"files": ["out"], "fail": False}, ports=RULES, workspace=tmp_path)
    assert result.output["objects"] == 3
    assert [(item["kind"], item["rule"]) for item in result.output["violations"]] == [
        ("Deployment", "no-ledger"),
        ("Service", "no-ledger"),
    ]


async def test_a_broken_rule_fails_the_step_and_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": DEPLOYMENT.format(name="ledger")})
    with pytest.raises(
        InputError, match=r"The cluster would refuse this: Deployment ledger: is a ledger; name it otherwise"
    ):
        await run_action(check, {"files": ["a.yaml"]}, ports=RULES, workspace=tmp_path)


async def test_many_broken_rules_are_counted_and_not_all_told(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "---\n".join([DEPLOYMENT.format(name="ledger")] * 30)})
    with pytest.raises(InputError, match=r"; and 10 more$"):
        await run_action(check, {"files": ["a.yaml"]}, ports=RULES, workspace=tmp_path)


async def test_nothing_wrong_passes_in_a_dry_run_too(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": DEPLOYMENT.format(name="shop")})
    result = await run_action(check, {"files": ["a.yaml"]}, ports=RULES, workspace=tmp_path, dry_run=True)
    assert result.output == {"objects": 1, "violations": []}


@pytest.mark.parametrize(
    ("files", "path", "error", "words"),
    [
        ({}, "none.yaml", NotFoundError, "has no manifest none.yaml"),
        ({"a.yaml": "just text"}, "a.yaml", SourceError, "is no Kubernetes object"),
        ({"a.yaml": "apiVersion: v1"}, "a.yaml", SourceError, "is no Kubernetes object"),
        ({"a.yaml": "kind: [x"}, "a.yaml", SourceError, "a.yaml:2:1"),
        ({}, "../outside", UnderstageError, "outside"),
    ],
)
async def test_what_cannot_be_looked_at_is_told(
    files: dict[str, str], path: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    write(tmp_path, files)
    with pytest.raises(error, match=words):
        await run_action(check, {"files": [path]}, ports=RULES, workspace=tmp_path)


async def test_a_link_out_of_the_workspace_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(DEPLOYMENT.format(name="ledger"))
    workspace = tmp_path / "workspace"
    (workspace / "out").mkdir(parents=True)
    (workspace / "out" / "a.yaml").symlink_to(outside)
    with pytest.raises(NotFoundError, match="has no manifest out"):
        await run_action(check, {"files": ["out"]}, ports=RULES, workspace=workspace)


async def test_objects_may_stand_in_the_step_itself(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ledger"}}
    result = await run_action(check, {"manifests": service, "fail": False}, ports=RULES, workspace=tmp_path)
    assert [item["kind"] for item in result.output["violations"]] == ["Service"]


async def test_without_rules_it_does_not_pass(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": DEPLOYMENT.format(name="shop")})
    with pytest.raises(InputError, match=r"set understage\.policies\.rules"):
        await run_action(check, {"files": ["a.yaml"]}, ports=fake_ports(), workspace=tmp_path)
