"""`team:render`, and what a team's folder of the GitOps repository must not hold: refused before anything is touched."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import SKELETONS

from understage.errors import ConflictError, InputError
from understage.integrations.policies import PolicyCheck, read_policies
from understage.sdk.testing import FakeCluster, FakeClusters, FakeForge, FakeForges, fake_ports, run_action
from understage.sdk.yaml import dump, parse_documents
from understage_actions._vault_manifests import AS_IT_IS
from understage_actions.gitops_commit import commit
from understage_actions.kubernetes_create_namespace import create_namespace
from understage_actions.team_render import render

VAULT = {"vault": {"server": "https://vault.example.com:8200"}}
GITOPS = {"gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"}}
TEAM = {"name": "treasury", "repoUrl": "https://git.example.com/platform/gitops.git", "targetPath": "gitops"}
FOLDER = "gitops/infrastructure/teams/treasury"


async def written(workspace: Path, **more: Any) -> dict[str, Any]:
    cluster = more.pop("cluster_there", None)
    ports = fake_ports(clusters=FakeClusters([cluster] if cluster else []))
    defaults = more.pop("defaults", VAULT)
    return (await run_action(render, {**TEAM, **more}, workspace=workspace, ports=ports, defaults=defaults)).output


async def test_the_example_runs(tmp_path: Path) -> None:
    await run_action(render, render.examples[0].input, workspace=tmp_path, defaults=VAULT)


async def test_a_team_is_all_of_its_files_and_breaks_no_rule(tmp_path: Path) -> None:
    output = await written(tmp_path, members=["user:default/ada"], newUsers=[{"name": "grace"}])
    assert output["files"] == [
        f"{FOLDER}/{name}"
        for name in (
            "application-set.yaml",
            "applications/README.md",
            "catalog-info.yaml",
            "namespace.yaml",
            "project.yaml",
            "secrets/external-secret.yaml",
        )
    ]
    assert [manifest["kind"] for manifest in output["manifests"]] == [
        "AppProject",
        "ExternalSecret",
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        *["NetworkPolicy"] * 4,
        "RoleBinding",
        "ServiceAccount",
        "SecretStore",
        "ApplicationSet",
    ]
    project, secret, *_, store, _ = output["manifests"]
    assert project["metadata"]["name"] == "treasury"
    assert project["spec"]["sourceRepos"] == [TEAM["repoUrl"]]
    assert project["spec"]["clusterResourceWhitelist"] == []
    assert "*" not in str(project["spec"])
    assert secret["spec"]["dataFrom"] == [{"extract": {**AS_IT_IS, "key": "teams/treasury/development/shared"}}]
    assert store["spec"]["provider"]["vault"]["auth"]["kubernetes"]["role"] == "treasury"
    group, user = output["entities"]
    assert group["spec"]["members"] == ["ada", "grace"]
    assert user["spec"]["memberOf"] == ["treasury"]
    assert PolicyCheck(read_policies(SKELETONS / "policies" / "rules.yaml")).check(output["manifests"]) == []
    documents = parse_documents((tmp_path / FOLDER / "namespace.yaml").read_bytes())
    assert len(documents) == 10


async def test_without_vault_there_is_no_store_and_no_secret(tmp_path: Path) -> None:
    output = await written(tmp_path, defaults={})
    assert {"SecretStore", "ExternalSecret"}.isdisjoint(manifest["kind"] for manifest in output["manifests"])
    assert not (tmp_path / FOLDER / "secrets").exists()


async def test_a_namespace_of_a_service_has_a_store_and_a_role_of_its_own(tmp_path: Path) -> None:
    where = {"namespace": "ledger-staging", "team": "payments", "environment": "staging"}
    output = (await run_action(create_namespace, where, workspace=tmp_path, defaults=VAULT)).output
    store = output["manifests"][-1]
    assert (store["kind"], store["metadata"]["name"]) == ("SecretStore", "vault")
    assert store["spec"]["provider"]["vault"]["auth"]["kubernetes"]["role"] == "ledger-staging"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "kube-system"}, "reserved"),
        ({"name": "default"}, "reserved"),
        ({"name": "platform"}, "reserved"),
        ({"name": "../payments"}, "not in the namespace default"),
        ({"name": "Treasury team"}, "not allowed"),
        ({"name": "a" * 64}, "not allowed"),
        ({"name": "a\nteam: b"}, "choose a group"),
        ({"group": "system:masters"}, "Kubernetes' own"),
        ({"role": "cluster-admin"}, "not for a team"),
        ({"environment": "prod\nx"}, "not allowed"),
        ({"secretKey": "teams/payments/production/ledger"}, "not of team treasury"),
        ({"secretKey": "teams/treasury/../payments/x"}, "not of team treasury"),
        ({"secretKey": "teams/treasury"}, "not of team treasury"),
        ({"members": ["group:default/payments"]}, "not a user"),
        ({"repoUrl": "https://me:secret@git.example.com/a/b.git"}, "without credentials"),
        ({"email": "a b"}, "not an address"),
    ],
)
async def test_hostile_input_is_refused_and_nothing_is_written(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        await written(tmp_path, **change)
    assert list(tmp_path.rglob("*")) == []


async def test_a_namespace_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    for labels in ({"team": "payments"}, {}):
        cluster = FakeCluster()
        await cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "treasury", "labels": labels}}
        )
        with pytest.raises(ConflictError, match="Namespace treasury exists"):
            await written(tmp_path, cluster_there=cluster)
    assert list(tmp_path.rglob("*")) == []


def external(**spec: Any) -> dict[str, Any]:
    return {"kind": "ExternalSecret", "spec": spec}


FOREIGN: dict[str, dict[str, Any]] = {
    "whole cluster": {"kind": "ClusterSecretStore"},
    "whole cluster, in a list": {"kind": "List", "items": [{"kind": "ClusterRoleBinding", "metadata": {"name": "x"}}]},
    "holds values": {"kind": "Secret", "stringData": {"PASSWORD": "hunter2"}},
    "holds values, encoded": {"kind": "Secret", "data": {"PASSWORD": "aHVudGVyMg=="}},
    "guardrails away": {"kind": "PolicyException"},
    "lacks the label": {"kind": "Namespace", "metadata": {"name": "treasury", "labels": {"team": "payments"}}},
    "lacks the label pod-security.kubernetes.io/enforce": {
        "kind": "Namespace",
        "metadata": {
            "name": "treasury",
            "labels": {"team": "treasury", "pod-security.kubernetes.io/enforce": "privileged"},
        },
    },
    "the project 'payments' is not the team's": {"kind": "AppProject", "metadata": {"name": "payments"}},
    "spec.project 'payments' is not the team's": {"kind": "Application", "spec": {"project": "payments"}},
    "spec.template.spec.project 'default' is not the team's": {
        "kind": "ApplicationSet",
        "spec": {"template": {"spec": {"project": "default"}}},
    },
    "binds ClusterRole": {"kind": "RoleBinding", "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}},
    "store of the cluster": external(secretStoreRef={"kind": "ClusterSecretStore", "name": "all"}),
    "not of team treasury": external(dataFrom=[{"extract": {"key": "teams/payments/production/ledger"}}]),
    "not of team treasury, by key": external(data=[{"remoteRef": {"key": "teams/payments/production/ledger"}}]),
    "all of Vault": external(dataFrom=[{"find": {"name": {"regexp": ".*"}}}]),
    "the store 'vault' with 'treasury'": {
        "kind": "SecretStore",
        "metadata": {"name": "vault", "namespace": "treasury"},
        "spec": {"provider": {"vault": {"auth": {"kubernetes": {"role": "payments"}}}}},
    },
}


@pytest.mark.parametrize("words", FOREIGN)
async def test_files_that_are_not_the_teams_to_have_are_not_committed(words: str, tmp_path: Path) -> None:
    file = tmp_path / FOLDER / "secrets" / "x.yaml"
    file.parent.mkdir(parents=True)
    manifest = FOREIGN[words]
    file.write_text(dump({"metadata": {"name": "x"}, "apiVersion": "v1", **manifest}))
    forge = FakeForge()
    step = {"sourcePath": "gitops", "message": "Add"}
    with pytest.raises(InputError, match=words.partition(",")[0]) as refused:
        await run_action(
            commit, step, workspace=tmp_path, ports=fake_ports(forges=FakeForges([forge])), defaults=GITOPS
        )
    assert "hunter2" not in str(refused.value)
    assert forge.repositories == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", '{"kind": "ClusterRoleBinding", "metadata": {"name": "x"}}', "whole cluster"),
        ("x.yml", "kind: ClusterRole\nmetadata: {name: x}\n", "whole cluster"),
        ("x.jsonnet", "{kind: 'ClusterRole'}", "is a program that Argo CD would run"),
    ],
)
async def test_no_kind_of_file_that_argo_cd_reads_goes_past(
    name: str, content: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / FOLDER / "applications" / "shop" / name
    file.parent.mkdir(parents=True)
    file.write_text(content)
    step = {"sourcePath": "gitops", "message": "Add"}
    ports = fake_ports(forges=FakeForges([FakeForge()]))
    with pytest.raises(InputError, match=words):
        await run_action(commit, step, workspace=tmp_path, ports=ports, defaults=GITOPS)


async def test_what_team_render_writes_is_committed(tmp_path: Path) -> None:
    await written(tmp_path)
    forge = FakeForge()
    step = {"sourcePath": "gitops", "message": "Add team"}
    done = await run_action(
        commit, step, workspace=tmp_path, ports=fake_ports(forges=FakeForges([forge])), defaults=GITOPS
    )
    assert len(done.output["files"]) == 6
