"""`kubernetes:create-namespace`: what is applied, what is written, what is refused before anything is touched."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError
from understage.sdk.testing import FakeArgoCd, FakeArgoCds, FakeCluster, FakeClusters, fake_ports, run_action
from understage.sdk.yaml import parse_documents
from understage_actions.kubernetes_create_namespace import create_namespace

LEDGER = {"namespace": "ledger-production", "team": "group:default/payments", "environment": "production"}


async def create(workspace: Path, cluster: FakeCluster | None, *, dry_run: bool = False, **more: Any) -> dict[str, Any]:
    ports = fake_ports(clusters=FakeClusters([cluster] if cluster else []))
    return (
        await run_action(create_namespace, {**LEDGER, **more}, workspace=workspace, ports=ports, dry_run=dry_run)
    ).output


@pytest.mark.parametrize("example", create_namespace.examples, ids=lambda example: example.description)
async def test_examples_run(example: Any, tmp_path: Path) -> None:
    for ports in (fake_ports(), fake_ports(clusters=FakeClusters([FakeCluster()]))):
        result = await run_action(create_namespace, example.input, workspace=tmp_path, ports=ports)
        assert result.output["namespace"] == example.input["namespace"]


async def test_the_golden_namespace(tmp_path: Path) -> None:
    output = await create(tmp_path, FakeCluster("prod"))
    assert {key: output[key] for key in ("namespace", "cluster", "applied", "files")} == {
        "namespace": "ledger-production",
        "cluster": "prod",
        "applied": True,
        "files": [],
    }
    assert output["manifests"] == snapshot(
        [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": "ledger-production",
                    "labels": {
                        "app.kubernetes.io/managed-by": "understage",
                        "team": "payments",
                        "environment": "production",
                        "pod-security.kubernetes.io/enforce": "restricted",
                        "pod-security.kubernetes.io/warn": "restricted",
                        "pod-security.kubernetes.io/audit": "restricted",
                    },
                },
            },
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {
                    "name": "quota",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {
                    "hard": {
                        "requests.cpu": "10",
                        "requests.memory": "20Gi",
                        "limits.cpu": "20",
                        "limits.memory": "40Gi",
                        "pods": "50",
                    }
                },
            },
            {
                "apiVersion": "v1",
                "kind": "LimitRange",
                "metadata": {
                    "name": "limits",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {
                    "limits": [
                        {
                            "type": "Container",
                            "default": {"cpu": "500m", "memory": "512Mi"},
                            "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
                        }
                    ]
                },
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {
                    "name": "default-deny",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {
                    "name": "allow-dns",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {
                    "podSelector": {},
                    "policyTypes": ["Egress"],
                    "egress": [
                        {
                            "to": [
                                {
                                    "namespaceSelector": {
                                        "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                                    },
                                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                                }
                            ],
                            "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
                        }
                    ],
                },
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {
                    "name": "allow-gateway",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {
                    "podSelector": {},
                    "policyTypes": ["Ingress"],
                    "ingress": [
                        {
                            "from": [
                                {
                                    "namespaceSelector": {
                                        "matchLabels": {"kubernetes.io/metadata.name": "gateway-system"}
                                    }
                                }
                            ]
                        }
                    ],
                },
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {
                    "name": "allow-monitoring",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "spec": {
                    "podSelector": {},
                    "policyTypes": ["Ingress"],
                    "ingress": [
                        {
                            "from": [
                                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
                            ]
                        }
                    ],
                },
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {
                    "name": "team-edit",
                    "namespace": "ledger-production",
                    "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
                },
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "payments"}],
            },
        ]
    )


async def test_everything_is_applied_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    cluster = FakeCluster()
    output = await create(tmp_path, cluster)
    for manifest in output["manifests"]:
        metadata = manifest["metadata"]
        key = (manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), metadata["name"])
        assert cluster.objects[key] == manifest
    before = dict(cluster.objects)
    await create(tmp_path, cluster)
    assert cluster.objects == before


async def test_without_a_cluster_one_file_holds_it_all(tmp_path: Path) -> None:
    output = await create(tmp_path, None, targetPath="gitops")
    file = "gitops/infrastructure/teams/payments/namespaces/ledger-production.yaml"
    assert (output["applied"], output["cluster"], output["files"]) == (False, None, [file])
    text = (tmp_path / file).read_text()
    assert text.startswith("# Namespace ledger-production of team payments.")
    assert [document.value for document in parse_documents(text)] == output["manifests"]
    assert "pods: '50'" in text


async def test_files_are_written_when_asked_though_there_is_a_cluster(tmp_path: Path) -> None:
    cluster = FakeCluster()
    output = await create(tmp_path, cluster, mode="files")
    assert output["files"]
    assert await cluster.get("v1", "Namespace", "ledger-production") is None


async def test_a_dry_run_touches_no_cluster_and_says_what_it_would_do(tmp_path: Path) -> None:
    cluster = FakeCluster()
    ports = fake_ports(clusters=FakeClusters([cluster]))
    result = await run_action(create_namespace, LEDGER, workspace=tmp_path, ports=ports, dry_run=True)
    assert "Would apply ResourceQuota quota to cluster default" in result.log
    assert result.output["applied"] is False
    assert await cluster.get("v1", "Namespace", "ledger-production") is None


async def test_a_cluster_is_chosen_by_name(tmp_path: Path) -> None:
    first, second = FakeCluster("first"), FakeCluster("second")
    ports = fake_ports(clusters=FakeClusters([first, second]))
    result = await run_action(create_namespace, {**LEDGER, "cluster": "second"}, workspace=tmp_path, ports=ports)
    assert result.output["cluster"] == "second"
    assert await first.get("v1", "Namespace", "ledger-production") is None
    with pytest.raises(InputError, match="third"):
        await run_action(create_namespace, {**LEDGER, "cluster": "third"}, workspace=tmp_path, ports=ports)


def namespace(**labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ledger-production", "labels": labels}}


async def test_another_teams_namespace_is_refused(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.seed(namespace(team="storefront"), manager="kubectl")
    for adopt in (False, True):
        with pytest.raises(ConflictError, match=r"belongs to team storefront: choose another name"):
            await create(tmp_path, cluster, adopt=adopt)
    assert not [key for key in cluster.objects if key[2] == "ledger-production"]


async def test_nobodys_namespace_is_taken_over_only_when_asked(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.seed(namespace(purpose="unknown"), manager="kubectl")
    with pytest.raises(ConflictError, match=r"has no label 'team'.*adopt: true"):
        await create(tmp_path, cluster)
    await create(tmp_path, cluster, adopt=True)
    found = await cluster.get("v1", "Namespace", "ledger-production")
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "payments"
    assert found["metadata"]["labels"]["purpose"] == "unknown"


async def test_what_another_manager_owns_is_a_conflict_that_names_it(tmp_path: Path) -> None:
    cluster = FakeCluster()
    await create(tmp_path, cluster)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota", "namespace": "ledger-production"},
        "spec": {"hard": {"pods": "500"}},
    }
    cluster.seed(quota, manager="kubectl-edit")
    with pytest.raises(ConflictError, match="kubectl-edit"):
        await create(tmp_path, cluster)


@pytest.mark.parametrize(
    "name",
    [
        "kube-system", "kube-anything", "default", "argocd", "gatekeeper-system", "openshift-x",
        "../other", "a/b", "Ledger", "ledger_production", "-ledger", "ledger-", "", "a" * 64, "ledger\n", "ledger.x", "ль",
    ],
)  # fmt: skip
async def test_names_that_are_not_for_services(name: str, tmp_path: Path) -> None:
    cluster = FakeCluster()
    before = dict(cluster.objects)
    for target in (cluster, None):
        with pytest.raises(InputError, match="namespace"):
            await create(tmp_path, target, namespace=name)
    assert cluster.objects == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"team": "user:default/ada"}, "is a user: choose a group"),
        ({"team": "../payments"}, "not in the namespace default"),
        ({"team": "group:other/payments"}, "not in the namespace default"),
        ({"team": "Pay ments"}, "team .* is not allowed"),
        ({"team": "group:default/default"}, "reserved"),
        ({"environment": "prod\nteam: other"}, "environment"),
        ({"role": "cluster-admin"}, "is not for a team"),
        ({"group": "system:masters"}, "Kubernetes' own"),
        ({"labels": {"team name": "x"}}, "not a Kubernetes label"),
        ({"labels": {"x": "a b"}}, "not a Kubernetes label"),
        ({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}, "set by podSecurity"),
        ({"quota": {"requestsCpu": "lots"}}, "not a Kubernetes quantity"),
        ({"podSecurity": "privileged"}, "podSecurity|pod_security"),
        ({"gatewayNamespace": "a b"}, "gatewayNamespace"),
        ({"mode": "apply"}, "No cluster is configured"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_bad_input_says_what_is_wrong(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        await create(tmp_path, None, **more)
    assert not list(tmp_path.iterdir())


async def test_labels_of_the_step_cannot_change_the_owner(tmp_path: Path) -> None:
    output = await create(tmp_path, None, labels={"team": "storefront", "cost-center": "42"})
    labels = output["manifests"][0]["metadata"]["labels"]
    assert (labels["team"], labels["cost-center"]) == ("payments", "42")


async def test_files_stay_in_the_workspace(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with pytest.raises(NotAllowedError):
        await create(workspace, None, targetPath="../elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


async def test_a_cluster_that_does_not_answer_fails_the_step(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="connection refused"):
        await create(tmp_path, FakeCluster(unreachable="connection refused"))


async def test_a_team_from_git_has_its_namespaces_from_git(tmp_path: Path) -> None:
    marks = {"argocd.argoproj.io/tracking-id": "teams:argoproj.io/AppProject:argocd/payments"}
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": {}}
    cluster = FakeCluster("prod", namespaces=("argocd",))
    await cluster.apply({**project, "metadata": {"name": "payments", "namespace": "argocd", "annotations": marks}})
    output = await create(tmp_path, cluster)
    assert (output["applied"], output["files"]) == (
        False,
        ["infrastructure/teams/payments/namespaces/ledger-production.yaml"],
    )
    assert await cluster.get("v1", "Namespace", "ledger-production") is None
    assert (await create(tmp_path, cluster, mode="apply"))["applied"] is True
    assert (await create(tmp_path, cluster, namespace="other", team="others"))["applied"] is True


async def test_argo_cd_says_whether_a_team_is_from_git(tmp_path: Path) -> None:
    metadata = {"name": "payments", "labels": {"app.kubernetes.io/instance": "teams"}}
    argocd = FakeArgoCd(projects={"payments": {"kind": "AppProject", "metadata": metadata}})
    ports = fake_ports(clusters=FakeClusters([FakeCluster("prod")]), argocd=FakeArgoCds([argocd]))
    done = await run_action(create_namespace, LEDGER, workspace=tmp_path, ports=ports)
    assert done.output["applied"] is False
    assert "since Argo CD makes what team payments has, from Git" in done.log[0]
