"""`argocd:register-app`: project and application, the three ways, waiting, refusals."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

import understage_actions._argocd_wait as waiting
from understage.errors import ConflictError, ForeignError, InputError
from understage.sdk import Ports
from understage.sdk.testing import (
    ActionResult,
    FakeArgoCd,
    FakeArgoCds,
    FakeCluster,
    FakeClusters,
    fake_ports,
    run_action,
)
from understage.sdk.yaml import parse_document
from understage_actions.argocd_register_app import register_app

URL = "https://git.example.com/payments/ledger.git"
LEDGER = {
    "name": "ledger-production",
    "team": "group:default/payments",
    "environment": "production",
    "repoUrl": URL,
    "valueFiles": ["deploy/environments/production.yaml"],
    "namespace": "ledger-production",
}
API = "argoproj.io/v1alpha1"
HEALTHY = {"sync": {"status": "Synced", "revisions": ["c0ffee", "c0ffee"]}, "health": {"status": "Healthy"}}
PROGRESSING = {
    "sync": {"status": "Synced"},
    "health": {"status": "Progressing"},
    "resources": [
        {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "name": "ledger",
            "namespace": "ns",
            "status": "Synced",
        }
    ],
}


async def register(workspace: Path, ports: Ports | None = None, **more: Any) -> ActionResult:
    dry_run = more.pop("dry_run", False)
    defaults = more.pop("defaults", None)
    return await run_action(
        register_app, {**LEDGER, **more}, workspace=workspace, ports=ports, dry_run=dry_run, defaults=defaults
    )


def with_argocd(*argocds: FakeArgoCd, cluster: FakeCluster | None = None) -> Ports:
    return fake_ports(argocd=FakeArgoCds(argocds), clusters=FakeClusters([cluster] if cluster else []))


@pytest.mark.parametrize("example", register_app.examples, ids=lambda example: example.description)
async def test_examples_run(example: Any, tmp_path: Path) -> None:
    ports = with_argocd(FakeArgoCd(statuses={"ledger-production": [HEALTHY]}))
    output = (await run_action(register_app, example.input, workspace=tmp_path, ports=ports)).output
    assert output["name"] == "ledger-production"


async def test_the_golden_project_and_application(tmp_path: Path) -> None:
    argocd = FakeArgoCd()
    output = (await register(tmp_path, with_argocd(argocd, cluster=FakeCluster("prod")))).output
    assert (output["applied"], output["via"], output["project"]) == (True, "api", "payments")
    assert output["applicationUrl"] == "https://argocd.test/applications/argocd/ledger-production"
    assert argocd.projects["payments"] == snapshot(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {
                "name": "payments",
                "namespace": "argocd",
                "labels": {"app.kubernetes.io/managed-by": "understage", "team": "payments"},
            },
            "spec": {
                "description": "Services of team payments",
                "sourceRepos": ["https://git.example.com/payments/ledger.git"],
                "destinations": [{"server": "https://kubernetes.test", "namespace": "ledger-production"}],
                "clusterResourceWhitelist": [],
                "namespaceResourceWhitelist": [
                    {"group": "", "kind": "ConfigMap"},
                    {"group": "", "kind": "PersistentVolumeClaim"},
                    {"group": "", "kind": "Secret"},
                    {"group": "", "kind": "Service"},
                    {"group": "", "kind": "ServiceAccount"},
                    {"group": "apps", "kind": "Deployment"},
                    {"group": "apps", "kind": "StatefulSet"},
                    {"group": "autoscaling", "kind": "HorizontalPodAutoscaler"},
                    {"group": "batch", "kind": "CronJob"},
                    {"group": "batch", "kind": "Job"},
                    {"group": "external-secrets.io", "kind": "ExternalSecret"},
                    {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"},
                    {"group": "grafana.integreatly.org", "kind": "GrafanaDashboard"},
                    {"group": "monitoring.coreos.com", "kind": "PrometheusRule"},
                    {"group": "monitoring.coreos.com", "kind": "ServiceMonitor"},
                    {"group": "networking.k8s.io", "kind": "Ingress"},
                    {"group": "networking.k8s.io", "kind": "NetworkPolicy"},
                    {"group": "policy", "kind": "PodDisruptionBudget"},
                ],
            },
        }
    )
    assert argocd.applications["ledger-production"] == snapshot(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": "ledger-production",
                "namespace": "argocd",
                "labels": {
                    "app.kubernetes.io/managed-by": "understage",
                    "app.kubernetes.io/name": "ledger",
                    "team": "payments",
                    "environment": "production",
                },
                "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            },
            "spec": {
                "project": "payments",
                "source": {
                    "repoURL": "https://git.example.com/payments/ledger.git",
                    "targetRevision": "main",
                    "path": "deploy",
                    "helm": {"valueFiles": ["environments/production.yaml"]},
                },
                "destination": {"server": "https://kubernetes.test", "namespace": "ledger-production"},
                "syncPolicy": {
                    "automated": {"prune": True, "selfHeal": True},
                    "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
                    "syncOptions": [
                        "ServerSideApply=true",
                        "CreateNamespace=false",
                        "PruneLast=true",
                        "ApplyOutOfSyncOnly=true",
                    ],
                },
                "revisionHistoryLimit": 10,
            },
        }
    )


async def test_whose_it_is_may_be_said_where_its_name_does_not(tmp_path: Path) -> None:
    for service, label in ((None, "ledger"), ("ledger-of-all-things", "ledger-of-all-things")):
        output = (await register(tmp_path, service=service)).output
        assert output["manifests"][1]["metadata"]["labels"]["app.kubernetes.io/name"] == label
    with pytest.raises(InputError, match="service 'a,team=b' is not allowed"):
        await register(tmp_path, service="a,team=b")


async def test_as_files(tmp_path: Path) -> None:
    output = (await register(tmp_path, targetPath="gitops", wait=True)).output
    assert (output["applied"], output["via"], output["applicationUrl"]) == (False, "files", None)
    assert output["files"] == [
        "gitops/infrastructure/teams/payments/project.yaml",
        "gitops/infrastructure/teams/payments/applications/ledger-production.yaml",
    ]
    read = [parse_document((tmp_path / file).read_text()).value for file in output["files"]]
    assert read == output["manifests"]
    assert read[1]["spec"]["destination"]["server"] == "https://kubernetes.default.svc"


@pytest.mark.parametrize(
    "mark",
    [
        {"annotations": {"argocd.argoproj.io/tracking-id": "teams:argoproj.io/AppProject:argocd/payments"}},
        {"labels": {"team": "payments", "app.kubernetes.io/instance": "teams"}},
    ],
)
async def test_as_files_where_the_project_is_from_git(tmp_path: Path, mark: dict[str, Any]) -> None:
    """Argo CD would take out of the project again what is added to it beside Git."""
    project = {
        "kind": "AppProject",
        "metadata": {"name": "payments", "labels": {"team": "payments"}, **mark},
        "spec": {},
    }
    argocd = FakeArgoCd(projects={"payments": project})
    output = (await register(tmp_path, with_argocd(argocd), targetPath="gitops", wait=True)).output
    assert (output["applied"], output["via"], output["fromGit"]) == (False, "files", True)
    assert output["applicationUrl"] == "https://argocd.test/applications/argocd/ledger-production"
    assert (argocd.projects, argocd.applications) == ({"payments": project}, {})
    assert (tmp_path / "gitops/infrastructure/teams/payments/applications/ledger-production.yaml").exists()

    asked = await register(tmp_path, with_argocd(argocd), via="api")
    assert (asked.output["via"], asked.output["fromGit"]) == ("api", True)
    assert any("Argo CD undoes" in line for line in asked.log)


async def test_as_objects_of_the_cluster(tmp_path: Path) -> None:
    cluster = FakeCluster("prod")
    output = (await register(tmp_path, fake_ports(clusters=FakeClusters([cluster])))).output
    assert output["via"] == "kubernetes"
    application = await cluster.get(API, "Application", "ledger-production", "argocd")
    assert application == output["manifests"][1]
    assert application["spec"]["destination"] == {"server": "https://kubernetes.test", "namespace": "ledger-production"}


async def test_the_destination_may_have_another_address_for_argocd(tmp_path: Path) -> None:
    defaults = {"argocdDestinationServers": {"prod": "https://kubernetes.default.svc"}, "argocdNamespace": "gitops"}
    cluster = FakeCluster("prod", namespaces=("gitops",))
    output = (await register(tmp_path, fake_ports(clusters=FakeClusters([cluster])), defaults=defaults)).output
    assert output["manifests"][1]["spec"]["destination"]["server"] == "https://kubernetes.default.svc"
    assert await cluster.get(API, "Application", "ledger-production", "gitops")


async def test_a_chart_from_elsewhere_with_values_of_the_service(tmp_path: Path) -> None:
    chart = {"repoUrl": "registry.example.com/charts", "chart": "base-service", "targetRevision": "1.0.0"}
    output = (await register(tmp_path, chart=chart)).output
    assert output["manifests"][0]["spec"]["sourceRepos"] == [URL, "registry.example.com/charts"]
    assert output["manifests"][1]["spec"]["sources"] == [
        {
            "repoURL": "registry.example.com/charts",
            "targetRevision": "1.0.0",
            "chart": "base-service",
            "helm": {"valueFiles": ["$values/deploy/environments/production.yaml"]},
        },
        {"repoURL": URL, "targetRevision": "main", "ref": "values"},
    ]


async def test_values_beside_the_chart_are_found_from_it(tmp_path: Path) -> None:
    files = ["values/shared.yaml", "deploy/values/production.yaml"]
    output = (await register(tmp_path, path="./deploy/chart", valueFiles=files)).output
    assert output["manifests"][1]["spec"]["source"] == {
        "repoURL": URL,
        "targetRevision": "main",
        "path": "deploy/chart",
        "helm": {"valueFiles": ["../../values/shared.yaml", "../values/production.yaml"]},
    }


async def test_two_revisions_of_one_repository_are_refused(tmp_path: Path) -> None:
    chart = {"repoUrl": URL, "path": "deploy", "targetRevision": "v1"}
    with pytest.raises(InputError, match=r"must be .main., that of the values"):
        await register(tmp_path, chart=chart)
    output = (await register(tmp_path, chart={**chart, "targetRevision": "main"})).output
    assert output["manifests"][1]["spec"]["source"]["helm"]["valueFiles"] == ["environments/production.yaml"]


async def test_a_second_service_adds_to_the_teams_project(tmp_path: Path) -> None:
    for ports in (with_argocd(FakeArgoCd()), fake_ports(clusters=FakeClusters([FakeCluster()]))):
        await register(tmp_path, ports)
        other = {
            "name": "refunds-staging",
            "namespace": "refunds-staging",
            "repoUrl": "https://git.example.com/payments/r.git",
        }
        output = (await register(tmp_path, ports, **other)).output
        spec = output["manifests"][0]["spec"]
        assert spec["sourceRepos"] == [URL, "https://git.example.com/payments/r.git"]
        assert [destination["namespace"] for destination in spec["destinations"]] == [
            "ledger-production",
            "refunds-staging",
        ]
        again = (await register(tmp_path, ports)).output
        assert again["manifests"][0]["spec"] == spec


async def test_a_project_that_others_write_at_the_same_time_keeps_both(tmp_path: Path) -> None:
    class Racing(FakeArgoCd):
        """Another task's write is lost once, as when two read the project before either wrote."""

        raced = False

        async def apply_project(self, project: dict[str, Any]) -> None:
            if not self.raced:
                self.raced = True
                theirs = {**project, "spec": {**project["spec"], "sourceRepos": ["https://theirs"], "destinations": []}}
                self.projects["payments"] = theirs
                raise ConflictError("the object has been modified")
            await super().apply_project(project)

    argocd = Racing()
    await register(tmp_path, with_argocd(argocd))
    assert argocd.projects["payments"]["spec"]["sourceRepos"] == ["https://theirs", URL]


async def test_names_of_others_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    argocd = FakeArgoCd()
    await register(tmp_path, with_argocd(argocd))
    before = (dict(argocd.projects), dict(argocd.applications))
    with pytest.raises(ConflictError, match="belongs to project payments: choose another name"):
        await register(tmp_path, with_argocd(argocd), team="storefront")
    with pytest.raises(ConflictError, match=r"deploys https://git.example.com/payments/ledger.git"):
        await register(tmp_path, with_argocd(argocd), repoUrl="https://git.example.com/payments/other.git")
    argocd.projects["foreign"] = {"metadata": {"name": "foreign"}, "spec": {}}
    with pytest.raises(ConflictError, match="AppProject foreign in Argo CD default is not the team's"):
        await register(tmp_path, with_argocd(argocd), team="foreign", name="foreign-app")
    del argocd.projects["foreign"]
    assert (argocd.projects, argocd.applications) == before


async def test_a_namespace_of_others_is_no_destination(tmp_path: Path) -> None:
    argocd, cluster = FakeArgoCd(), FakeCluster()
    for name, labels in (("ledger-production", {"team": "storefront"}), ("open", {})):
        metadata = {"name": name, "labels": labels}
        cluster.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="kubectl")
    for via in ("api", "kubernetes"):
        with pytest.raises(
            ConflictError, match="Namespace ledger-production in cluster default belongs to team storefront"
        ):
            await register(tmp_path, with_argocd(argocd, cluster=cluster), via=via)
        with pytest.raises(ConflictError, match=r"Namespace open .* is nobody's"):
            await register(tmp_path, with_argocd(argocd, cluster=cluster), via=via, namespace="open")
    assert not argocd.projects
    assert not argocd.applications
    assert not [key for key in cluster.objects if key[1] in ("AppProject", "Application")]


async def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    argocd = FakeArgoCd()
    result = await register(tmp_path, with_argocd(argocd), dry_run=True, wait=True)
    assert (result.output["applied"], len(result.output["manifests"])) == (False, 2)
    assert any("Would apply AppProject payments and Application ledger-production" in line for line in result.log)
    assert not argocd.projects
    assert not argocd.applications
    # of a step that a dry run leaves out there is only a placeholder
    assert (await register(tmp_path, with_argocd(argocd), dry_run=True, repoUrl="<example>")).output["applied"] is False


async def test_a_repository_that_argocd_may_not_read_says_what_to_give_it(tmp_path: Path) -> None:
    class Blind(FakeArgoCd):
        async def apply_application(self, application: dict[str, Any]) -> None:
            raise InputError("repository not accessible: authentication required")

    with pytest.raises(InputError, match=r"authentication required. Give Argo CD access .*secret-type=repo-creds"):
        await register(tmp_path, with_argocd(Blind()))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "Ledger"}, "name 'Ledger' is not allowed"),
        ({"name": "a" * 54}, "at most 53"),
        ({"namespace": "kube-system"}, "reserved"),
        ({"team": "default"}, "reserved"),
        ({"team": "../x"}, "team"),
        ({"path": "../other"}, "path '../other' must be a path inside"),
        ({"path": "/etc"}, "inside of the repository"),
        ({"valueFiles": ["../../other-team/values.yaml"]}, "valueFiles"),
        ({"valueFiles": ["https://evil.example.com/values.yaml"]}, "valueFiles"),
        ({"valueFiles": ["$other/values.yaml"]}, "valueFiles"),
        ({"valueFiles": ["secrets://x"]}, "valueFiles"),
        ({"repoUrl": "https://user:pass@git.example.com/x.git"}, "without credentials"),
        ({"repoUrl": "file:///etc"}, "repoUrl"),
        ({"repoUrl": "https://git.example.com/*"}, "repoUrl"),
        ({"repoUrl": "git.example.com/payments/ledger"}, "repoUrl"),
        ({"revision": "--upload-pack=x"}, "revision"),
        ({"chart": {"repoUrl": "*", "chart": "c", "targetRevision": "1"}}, "chart.repoUrl"),
        ({"chart": {"repoUrl": "file:///etc", "path": "c", "targetRevision": "1"}}, "chart.repoUrl"),
        ({"helmParameters": [{"name": "a", "value": "b"}]}, "helmParameters"),
        ({"plugin": {"env": []}}, "plugin"),
        ({"chart": {"repoUrl": "r", "targetRevision": "1"}}, "either `path`"),
        ({"via": "api"}, "No Argo CD is configured"),
        ({"via": "kubernetes"}, "No cluster is configured"),
        ({"argocd": "other"}, "No Argo CD instance named other"),
        ({"cluster": "other"}, "No cluster named other"),
        ({"project": "default"}, "project"),
        ({"destinationServer": "https://evil"}, "destinationServer"),
    ],
)
async def test_bad_input_says_what_is_wrong(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        await register(tmp_path, **more)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "GRACE_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_waiting_tells_each_state_once(tmp_path: Path) -> None:
    states = [{}, {"sync": {"status": "OutOfSync"}, "health": {"status": "Missing"}}, PROGRESSING, PROGRESSING, HEALTHY]
    result = await register(tmp_path, with_argocd(FakeArgoCd(statuses={LEDGER["name"]: states})), wait=True)
    assert (result.output["sync"], result.output["health"], result.output["revision"]) == (
        "Synced",
        "Healthy",
        "c0ffee",
    )
    told = [line.partition(" s: ")[2] for line in result.log if " s: " in line]
    assert told == snapshot(
        [
            "Unknown, Unknown",
            "OutOfSync, Missing",
            "Synced, Progressing",
            "  Deployment ledger: Synced",
            "Synced, Healthy",
        ]
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            {**PROGRESSING, "operationState": {"phase": "Failed", "message": "one or more objects failed to apply: quota"}},
            "failed to sync: one or more objects failed to apply: quota",
        ),
        (
            {**PROGRESSING, "operationState": {"phase": "Running", "retryCount": 1, "syncResult": {"resources": [
                {"kind": "ClusterRole", "name": "sly", "status": "SyncFailed", "message": "not permitted in project payments"}
            ]}}},
            "failed to sync: ClusterRole sly: not permitted in project payments",
        ),
        (
            {"conditions": [{"type": "ComparisonError", "message": "helm template: unknown key replica"}]},
            "failed to sync: helm template: unknown key replica",
        ),
        (
            {**PROGRESSING, "health": {"status": "Degraded"}, "resources": [
                {"kind": "Deployment", "name": "ledger", "health": {"status": "Degraded", "message": "deadline exceeded"}}
            ]},
            "is Synced and Degraded after 1 s: Deployment ledger: deadline exceeded",
        ),
        (PROGRESSING, "is Synced and Progressing after 1 s: Deployment ledger: pods \"x\" is forbidden: exceeded quota"),
    ],
)  # fmt: skip
async def test_why_it_does_not_get_there_is_told(status: dict[str, Any], message: str, tmp_path: Path) -> None:
    cluster = FakeCluster(namespaces=("ns",))
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "x" is forbidden: exceeded quota'}
    cluster.seed(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "ledger", "namespace": "ns"},
            "status": {"conditions": [refused]},
        },
        manager="kube-controller-manager",
    )
    ports = with_argocd(FakeArgoCd(statuses={str(LEDGER["name"]): [status]}), cluster=cluster)
    with pytest.raises(ForeignError, match=message):
        await register(tmp_path, ports, wait=True, waitTimeout=1)


async def test_an_argocd_that_does_not_answer_fails_the_step(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="connection refused"):
        await register(tmp_path, with_argocd(FakeArgoCd(unreachable="connection refused")))
