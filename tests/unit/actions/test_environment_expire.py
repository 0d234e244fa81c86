"""`environment:expire`: what is over goes, whatever else is in the repository stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import DEFAULTS

from understage.errors import InputError
from understage.sdk import Ports
from understage.sdk.testing import FakeForge, FakeForges, FakeGit, FakeRepository, fake_ports, run_action
from understage.sdk.yaml import dump
from understage_actions.environment_expire import expire

TEAM = "infrastructure/teams/payments"
PAST = "2026-01-01T00:00:00Z"
FUTURE = "2999-01-01T00:00:00Z"


def environment(name: str, until: str | None, **metadata: Any) -> str:
    annotations = {"understage.io/owner": "user:default/ada", **({"understage.io/expires-at": until} if until else {})}
    return dump({"kind": "Namespace", "metadata": {"name": f"clone-{name}", "annotations": annotations, **metadata}})


def database(*ends: str | None) -> str:
    objects = [
        {"kind": "Cluster", "metadata": {"name": "db", "annotations": {"understage.io/expires-at": end} if end else {}}}
        for end in ends
    ]
    return "---\n".join(map(dump, objects))


STAYS = {
    "README.md": "# gitops",
    f"{TEAM}/project.yaml": environment("x", PAST),
    f"{TEAM}/namespaces/ledger-production.yaml": environment("ledger", PAST),
    f"{TEAM}/applications/ledger-production.yaml": environment("ledger", PAST),
    f"{TEAM}/clones/running/environment.yaml": environment("running", FUTURE),
    f"{TEAM}/clones/running/applications.yaml": "kind: Application\n",
    f"{TEAM}/databases/a.for-ever.yaml": database(None),
    f"{TEAM}/databases/a.half.yaml": database(PAST, None),
    f"{TEAM}/databases/a.later.yaml": database(PAST, FUTURE),
    "elsewhere/clones/gone/environment.yaml": environment("gone", PAST),
}
GOES = {
    f"{TEAM}/clones/gone/environment.yaml": environment("gone", PAST),
    f"{TEAM}/clones/gone/applications.yaml": "kind: Application\n",
    f"{TEAM}/clones/gone/added-by-hand.yaml": "kind: ConfigMap\n",
    f"{TEAM}/databases/a.over.yaml": database(PAST, PAST),
}


def platform(files: dict[str, str], git: FakeGit | None = None) -> tuple[Ports, FakeForge]:
    forge = FakeForge(host="forge.test")
    found = FakeRepository(forge.plan_repository("platform", "gitops"))
    found.branches["main"] = {name: text.encode() for name, text in files.items()}
    forge.repositories["platform/gitops"] = found
    forges = FakeForges([forge])
    return fake_ports(forges=forges, git=git), forge


async def run(ports: Ports, workspace: Path, **input: Any) -> Any:
    dry_run = input.pop("dry_run", False)
    return await run_action(expire, input, ports=ports, workspace=workspace, defaults=DEFAULTS, dry_run=dry_run)


def names(forge: FakeForge, branch: str = "main") -> set[str]:
    return set(forge.files("platform", "gitops", branch))


async def test_what_is_over_goes_and_nothing_else(tmp_path: Path) -> None:
    ports, forge = platform({**STAYS, **GOES})
    result = await run(ports, tmp_path)
    assert names(forge) == set(STAYS)
    assert forge.files("platform", "gitops") == {name: text.encode() for name, text in STAYS.items()}
    assert [(item["kind"], item["name"]) for item in result.output["expired"]] == [
        ("environment", "gone"),
        ("database", "a.over"),
    ]
    assert {item["name"] for item in result.output["remaining"]} == {"running", "a.later"}
    assert result.output["problems"] == []
    assert result.output["commitHash"]
    assert any("owned by user:default/ada, which ended 2026-01-01T00:00:00Z" in line for line in result.log)


async def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    ports, _ = platform({**STAYS, **GOES})
    await run(ports, tmp_path)
    again = await run(ports, tmp_path)
    assert (again.output["expired"], again.output["commitHash"]) == ([], None)


async def test_a_dry_run_tells_and_leaves_it(tmp_path: Path) -> None:
    ports, forge = platform({**STAYS, **GOES})
    result = await run(ports, tmp_path, dry_run=True)
    assert names(forge) == {*STAYS, *GOES}
    assert len(result.output["expired"]) == 2
    told = [line.rpartition(": ")[2] for line in result.log if line.startswith("Would remove ")]
    ran = await run(ports, tmp_path)
    assert ran.output["expired"] == result.output["expired"]
    removed = ({*STAYS, *GOES}) - names(forge)
    assert removed == {name for name in GOES if any(name == path or name.startswith(f"{path}/") for path in told)}


async def test_a_pull_request_is_opened_once(tmp_path: Path) -> None:
    ports, forge = platform({**STAYS, **GOES})
    first = await run(ports, tmp_path, pullRequest=True)
    again = await run(ports, tmp_path, pullRequest=True)
    assert first.output["pullRequestUrl"] == again.output["pullRequestUrl"]
    assert names(forge) == {*STAYS, *GOES}
    ((branch, _, _),) = forge.repositories["platform/gitops"].pull_requests
    assert names(forge, branch) == set(STAYS)


class MovingGit(FakeGit):
    """Somebody commits once, between clone and push."""

    moved = False

    async def push_changes(self, directory: Path, **arguments: Any) -> str | None:  # type: ignore[override]
        if not self.moved:
            self.moved = True
            forge = self.forges.forges[0]
            assert isinstance(forge, FakeForge)
            forge.repositories["platform/gitops"].branches["main"]["new.yaml"] = b"kind: New\n"
        return await super().push_changes(directory, **arguments)


async def test_it_comes_again_on_top_of_others_commits(tmp_path: Path) -> None:
    _, forge = platform({**STAYS, **GOES})
    forges = FakeForges([forge])
    ports = fake_ports(forges=forges, git=MovingGit(forges))
    await run(ports, tmp_path)
    assert names(forge) == {*STAYS, "new.yaml"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({f"{TEAM}/clones/bad/environment.yaml": environment("bad", None)}, "has no time to live"),
        ({f"{TEAM}/clones/bad/environment.yaml": environment("bad", "tomorrow")}, "is not a time"),
        ({f"{TEAM}/clones/bad/environment.yaml": environment("bad", "2026-13-01T00:00:00Z")}, "is not a time"),
        ({f"{TEAM}/clones/bad/environment.yaml": environment("bad", "2026-01-01T00:00:00+09:00")}, "is not a time"),
        ({f"{TEAM}/clones/bad/environment.yaml": environment("other", PAST)}, "must hold the Namespace clone-bad"),
        (
            {f"{TEAM}/clones/bad/environment.yaml": environment("bad", PAST) + "---\n" + environment("x", PAST)},
            "no other",
        ),
        ({f"{TEAM}/clones/bad/environment.yaml": "a: [b"}, "environment.yaml"),
        ({f"{TEAM}/clones/bad/applications.yaml": "kind: Application\n"}, "nobody knows when it ends"),
        ({f"{TEAM}/clones/Bad/environment.yaml": environment("Bad", PAST)}, "is not allowed"),
        ({f"{TEAM}/databases/bad.yaml": database("soon")}, "is not a time"),
        ({f"{TEAM}/databases/bad.yaml": "x" * (2 << 20)}, "is larger than"),
    ],
)
async def test_what_cannot_be_read_stays_and_is_told(files: dict[str, str], words: str, tmp_path: Path) -> None:
    ports, forge = platform({**STAYS, **GOES, **files})
    result = await run(ports, tmp_path)
    assert names(forge) == {*STAYS, *files}
    (problem,) = result.output["problems"]
    assert words in problem


async def test_nothing_is_removed_before_its_time(tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ports, forge = platform({f"{TEAM}/clones/soon/environment.yaml": environment("soon", soon)})
    await run(ports, tmp_path)
    assert len(names(forge)) == 1
    with pytest.raises(InputError, match="is in the future"):
        await run(ports, tmp_path, at=FUTURE)
    ports, forge = platform({**STAYS, **GOES})
    result = await run(ports, tmp_path, at="2025-12-31T23:59:59Z")
    assert result.output["expired"] == []


async def test_without_a_repository_there_is_nothing_to_do(tmp_path: Path) -> None:
    result = await run(fake_ports(forges=FakeForges([FakeForge(host="forge.test")])), tmp_path)
    assert result.output["expired"] == result.output["remaining"] == []


async def test_the_local_server_has_no_pull_requests(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no pull requests"):
        await run(fake_ports(forges=FakeForges([FakeForge(host="x", type="local")])), tmp_path, pullRequest=True)
