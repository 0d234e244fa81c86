"""`gitops:commit` and `service:check-name`: the GitOps repository grows, and names are the property of who has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from understage.errors import ConflictError, ForeignError, InputError
from understage.sdk import Ports
from understage.sdk.testing import (
    ActionResult,
    FakeArgoCd,
    FakeArgoCds,
    FakeCatalog,
    FakeCluster,
    FakeClusters,
    FakeForge,
    FakeForges,
    FakeGit,
    fake_ports,
    run_action,
)
from understage.sdk.yaml import parse_document
from understage_actions.argocd_register_app import register_app
from understage_actions.gitops_commit import commit
from understage_actions.kubernetes_create_namespace import create_namespace
from understage_actions.service_check_name import check_name

DEFAULTS = {
    "gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"},
    "defaultAuthor": {"name": "Understage", "email": "understage@example.com"},
}


async def write_service(workspace: Path, team: str, name: str) -> None:
    """What the golden path writes when no cluster is configured."""
    where = {"namespace": f"{name}-staging", "team": team, "environment": "staging", "targetPath": "gitops"}
    await run_action(create_namespace, where, workspace=workspace)
    step = {**where, "name": f"{name}-staging", "repoUrl": f"https://forge.test/{team}/{name}.git"}
    await run_action(register_app, step, workspace=workspace)


async def commit_folder(workspace: Path, ports: Ports, *, dry_run: bool = False, **more: Any) -> ActionResult:
    step = {"sourcePath": "gitops", "message": "Add service\n\nBecause.", **more}
    return await run_action(commit, step, workspace=workspace, ports=ports, defaults=DEFAULTS, dry_run=dry_run)


def folder(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir()
    return path


async def test_the_example_runs(tmp_path: Path) -> None:
    await write_service(tmp_path, "payments", "ledger")
    ports = fake_ports(forges=FakeForges([FakeForge()]))
    await run_action(commit, commit.examples[0].input, workspace=tmp_path, ports=ports, defaults=DEFAULTS)


async def test_the_repository_is_made_and_filled(tmp_path: Path) -> None:
    forge = FakeForge(type="local")
    forges = FakeForges([forge])
    git = FakeGit(forges)
    await write_service(tmp_path, "payments", "ledger")
    (tmp_path / "gitops" / "rendered").mkdir()
    (tmp_path / "gitops" / "rendered" / "ledger-staging.yaml").write_text("kind: Deployment\n")
    output = (await commit_folder(tmp_path, fake_ports(forges=forges, git=git))).output
    assert sorted(forge.files("platform", "gitops")) == [
        "README.md",
        "infrastructure/teams/payments/applications/ledger-staging.yaml",
        "infrastructure/teams/payments/namespaces/ledger-staging.yaml",
        "infrastructure/teams/payments/project.yaml",
        "rendered/ledger-staging.yaml",
    ]
    assert output["commitHash"] == git.commits[-1].hash
    assert git.commits[-1].author.name == "Understage"
    assert (output["repoUrl"], output["pullRequestUrl"]) == ("https://forge.test/platform/gitops", None)
    assert output["howToApply"] == snapshot("""\
```sh
git clone https://forge.test/platform/gitops.git
cd gitops
kubectl apply --server-side -f infrastructure/teams/payments/namespaces/ledger-staging.yaml
kubectl apply --server-side -f infrastructure/teams/payments/project.yaml
kubectl apply --server-side -f infrastructure/teams/payments/applications/ledger-staging.yaml
```

Without Argo CD, apply the rendered manifests in place of project and application:

```sh
kubectl apply --server-side -f rendered/ledger-staging.yaml
```\
""")


async def test_a_second_run_commits_nothing(tmp_path: Path) -> None:
    forges = FakeForges([FakeForge()])
    await write_service(tmp_path, "payments", "ledger")
    git = FakeGit(forges)
    await commit_folder(tmp_path, fake_ports(forges=forges, git=git))
    commits = len(git.commits)
    again = await commit_folder(tmp_path, fake_ports(forges=forges, git=git))
    assert again.output["commitHash"] is None
    assert len(git.commits) == commits
    assert "platform/gitops on forge.test has all of it already" in again.log


async def test_a_second_service_of_the_team_adds_to_the_project(tmp_path: Path) -> None:
    forge = FakeForge()
    for name in ("ledger", "refunds"):
        workspace = folder(tmp_path, name)
        await write_service(workspace, "payments", name)
        await commit_folder(workspace, fake_ports(forges=FakeForges([forge])))
    files = forge.files("platform", "gitops")
    project = parse_document(files["infrastructure/teams/payments/project.yaml"]).value
    assert project["spec"]["sourceRepos"] == [
        f"https://forge.test/payments/{name}.git" for name in ("ledger", "refunds")
    ]
    assert [destination["namespace"] for destination in project["spec"]["destinations"]] == [
        "ledger-staging",
        "refunds-staging",
    ]


async def test_names_of_other_teams_are_refused(tmp_path: Path) -> None:
    forge = FakeForge()
    ports = fake_ports(forges=FakeForges([forge]))
    ours, theirs = folder(tmp_path, "ours"), folder(tmp_path, "theirs")
    await write_service(ours, "payments", "ledger")
    await commit_folder(ours, ports)
    before = forge.files("platform", "gitops")
    await write_service(theirs, "storefront", "ledger")
    with pytest.raises(ConflictError, match="application ledger-staging belongs to team payments"):
        await commit_folder(theirs, ports)
    assert forge.files("platform", "gitops") == before


async def test_a_branch_that_moves_is_written_on_top_of(tmp_path: Path) -> None:
    forge = FakeForge()
    forges = FakeForges([forge])
    workspace, other = folder(tmp_path, "ours"), folder(tmp_path, "theirs")
    await write_service(workspace, "payments", "ledger")
    await write_service(other, "storefront", "cart")
    await commit_folder(other, fake_ports(forges=forges))

    class Racing(FakeGit):
        """Somebody else pushes between our clone and our push, once."""

        raced = False

        async def push_changes(self, directory: Path, **arguments: Any) -> str | None:
            if not self.raced:
                self.raced = True
                forge.repositories["platform/gitops"].branches["main"]["theirs.yaml"] = b"x: 1\n"
            return await super().push_changes(directory, **arguments)

    result = await commit_folder(workspace, fake_ports(forges=forges, git=Racing(forges)))
    assert any("once more" in line for line in result.log)
    files = forge.files("platform", "gitops")
    assert "theirs.yaml" in files
    assert "infrastructure/teams/payments/project.yaml" in files


async def test_as_a_pull_request(tmp_path: Path) -> None:
    forge = FakeForge()
    await write_service(tmp_path, "payments", "ledger")
    output = (await commit_folder(tmp_path, fake_ports(forges=FakeForges([forge])), pullRequest=True)).output
    assert output["pullRequestUrl"] == "https://forge.test/platform/gitops/pulls/1"
    assert list(forge.files("platform", "gitops")) == ["README.md"]
    assert "infrastructure/teams/payments/project.yaml" in forge.files(
        "platform", "gitops", "understage/test-task-step"
    )
    assert output["howToApply"].startswith("Merge https://forge.test/platform/gitops/pulls/1")


async def test_a_dry_run_makes_no_repository(tmp_path: Path) -> None:
    forge = FakeForge()
    await write_service(tmp_path, "payments", "ledger")
    result = await commit_folder(tmp_path, fake_ports(forges=FakeForges([forge])), dry_run=True)
    assert not forge.repositories
    assert "Would write infrastructure/teams/payments/project.yaml to platform/gitops on forge.test" in result.log


def git_config(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[core]\n")


def attributes(root: Path) -> None:
    (root / ".gitattributes").write_text("* filter=x\n")


def link(root: Path) -> None:
    (root / "passwd").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("make", "message"), [(git_config, "git's own"), (attributes, "git's own"), (link, "is a link")]
)
async def test_files_that_could_change_what_git_does_are_refused(make: Any, message: str, tmp_path: Path) -> None:
    forge = FakeForge()
    (tmp_path / "gitops").mkdir()
    make(tmp_path / "gitops")
    with pytest.raises(InputError, match=message):
        await commit_folder(tmp_path, fake_ports(forges=FakeForges([forge])))
    assert not forge.repositories


async def test_what_is_missing_is_said(tmp_path: Path) -> None:
    ports = fake_ports(forges=FakeForges([FakeForge(type="local")]))
    with pytest.raises(InputError, match="has no files under gitops"):
        await commit_folder(tmp_path, ports)
    with pytest.raises(InputError, match="No GitOps repository is configured"):
        await run_action(commit, {"sourcePath": "gitops", "message": "x"}, workspace=tmp_path, ports=ports)
    with pytest.raises(InputError, match="no pull requests"):
        await commit_folder(tmp_path, ports, pullRequest=True)


NAMES = {
    "team": "group:default/payments",
    "entityRef": "component:default/ledger",
    "repository": {"owner": "payments", "name": "ledger"},
    "namespace": "ledger-staging",
    "application": "ledger-staging",
}


async def check(workspace: Path, ports: Ports, **more: Any) -> ActionResult:
    return await run_action(check_name, {**NAMES, **more}, workspace=workspace, ports=ports, defaults=DEFAULTS)


async def test_free_names_are_free(tmp_path: Path) -> None:
    cluster = FakeCluster()
    ports = fake_ports(
        forges=FakeForges([FakeForge()]), clusters=FakeClusters([cluster]), argocd=FakeArgoCds([FakeArgoCd()])
    )
    result = await check(tmp_path, ports)
    assert result.output["checked"] == [
        "Catalog entity component:default/ledger",
        "Repository payments/ledger on forge.test",
        "Namespace ledger-staging in cluster default",
        "Application ledger-staging in Argo CD default",
        "Files of the GitOps repository",
    ]
    assert result.output["applicationUrl"] == "https://argocd.test/applications/argocd/ledger-staging"
    assert (await check(tmp_path, fake_ports(forges=FakeForges([FakeForge()])))).output["applicationUrl"] is None
    await run_action(check_name, check_name.examples[0].input, workspace=tmp_path, ports=ports, defaults=DEFAULTS)


async def test_all_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    forge, cluster, argocd = FakeForge(), FakeCluster(), FakeArgoCd()
    await forge.create_repository("payments", "ledger")
    labels: Mapping[str, str] = {"team": "storefront"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ledger-staging", "labels": labels}}
    cluster.seed(namespace, manager="kubectl")
    argocd.applications["ledger-staging"] = {"metadata": {"name": "ledger-staging"}, "spec": {}}
    ports = fake_ports(
        catalog=FakeCatalog([{"kind": "Component", "metadata": {"name": "ledger"}}]),
        forges=FakeForges([forge]),
        clusters=FakeClusters([cluster]),
        argocd=FakeArgoCds([argocd]),
    )
    with pytest.raises(ConflictError) as caught:
        await check(tmp_path, ports)
    assert caught.value.message == snapshot("""\
The name is taken, nothing was made:
- component:default/ledger is in the catalog
- Repository payments/ledger on forge.test exists: https://forge.test/payments/ledger
- Namespace ledger-staging in cluster default belongs to team storefront: choose another name
- Application ledger-staging in Argo CD default exists\
""")


async def test_what_is_in_the_gitops_repository_is_taken(tmp_path: Path) -> None:
    ports = fake_ports(forges=FakeForges([FakeForge()]))
    await write_service(tmp_path, "payments", "ledger")
    await commit_folder(tmp_path, ports)
    with pytest.raises(ConflictError, match=r"applications/ledger-staging.yaml exists"):
        await check(tmp_path, ports)
    with pytest.raises(ConflictError, match="namespace ledger-staging belongs to team payments"):
        await check(tmp_path, ports, team="storefront")


async def test_the_namespace_may_be_the_teams_own(tmp_path: Path) -> None:
    cluster = FakeCluster()
    ports = fake_ports(forges=FakeForges([FakeForge()]), clusters=FakeClusters([cluster]))
    where = {"namespace": "ledger-staging", "team": "payments", "environment": "staging"}
    await run_action(create_namespace, where, workspace=tmp_path, ports=ports)
    await check(tmp_path, ports)


async def test_a_part_that_does_not_answer_fails_before_anything_is_made(tmp_path: Path) -> None:
    for ports in (
        fake_ports(forges=FakeForges([FakeForge(unreachable="timed out")])),
        fake_ports(forges=FakeForges([FakeForge()]), clusters=FakeClusters([FakeCluster(unreachable="timed out")])),
        fake_ports(forges=FakeForges([FakeForge()]), argocd=FakeArgoCds([FakeArgoCd(unreachable="timed out")])),
    ):
        with pytest.raises(ForeignError, match="timed out"):
            await check(tmp_path, ports)


async def test_reserved_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reserved"):
        await check(tmp_path, fake_ports(forges=FakeForges([FakeForge()])), namespace="kube-staging")
