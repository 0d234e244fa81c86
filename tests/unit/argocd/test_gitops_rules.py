"""What a form's value could smuggle into Applications and AppProjects is refused before any forge is reached."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from understage.errors import ConflictError, InputError
from understage.sdk.testing import (
    FakeCluster,
    FakeClusters,
    FakeForge,
    FakeForges,
    FakeGit,
    FakeRepository,
    fake_ports,
    run_action,
)
from understage.sdk.yaml import dump
from understage_actions._argocd_manifests import ApplicationSpec, Source, application_manifest, project_manifest
from understage_actions._team_manifests import TeamSpec, application_set_of
from understage_actions.gitops_commit import commit

Json = dict[str, Any]
URL = "https://git.example.com/payments/ledger.git"
DEFAULTS = {"gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"}}
SPEC = ApplicationSpec(
    name="ledger-production",
    team="payments",
    environment="production",
    namespace="ledger-production",
    server="https://kubernetes.test",
    repo_url=URL,
    revision="main",
    chart=Source(URL, "main", path="deploy"),
    value_files=["deploy/environments/production.yaml"],
    release_name=None,
    argocd_namespace="argocd",
)
FOLDER = "infrastructure/teams/payments"
FILES = {
    f"{FOLDER}/applications/ledger-production.yaml": application_manifest,
    f"{FOLDER}/project.yaml": project_manifest,
}


async def commit_files(
    workspace: Path, change: Callable[[Json], None], kind: str, forge: FakeForge, **more: Any
) -> None:
    for name, make in FILES.items():
        manifest = copy.deepcopy(make(SPEC))
        if manifest["kind"] == kind:
            change(manifest)
        path = workspace / "gitops" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dump(manifest))
    forges = FakeForges([forge])
    ports = fake_ports(forges=forges, git=FakeGit(forges), clusters=FakeClusters([FakeCluster()]))
    step = {"sourcePath": "gitops", "message": "Add"}
    await run_action(commit, step, workspace=workspace, ports=ports, defaults=DEFAULTS, **more)


def helm(manifest: Json) -> Json:
    found: Json = manifest["spec"]["source"]["helm"]
    return found


APPLICATIONS: dict[str, tuple[Callable[[Json], None], str]] = {
    "parameters": (
        lambda app: helm(app).update(parameters=[{"name": "image.tag", "value": "evil"}]),
        r"spec.source.helm.parameters is not for teams: write what it should say into the environment's values file",
    ),
    "file parameters": (
        lambda app: helm(app).update(fileParameters=[{"name": "a", "path": "/etc/passwd"}]),
        "helm.fileParameters is not for teams",
    ),
    "credentials": (lambda app: helm(app).update(passCredentials=True), "helm.passCredentials is not for teams"),
    "no schema": (lambda app: helm(app).update(skipSchemaValidation=True), "skipSchemaValidation is not for teams"),
    "plugin": (
        lambda app: app["spec"]["source"].update(plugin={"env": [{"name": "A", "value": "b"}]}),
        r"spec.source.plugin is not for teams",
    ),
    "values of another folder": (
        lambda app: helm(app).update(valueFiles=["$values/../../other-team/values.yaml"]),
        r"valueFiles '../../other-team/values.yaml' must be a path inside of the repository",
    ),
    "values of another folder, by the chart": (
        lambda app: helm(app).update(valueFiles=["../../other-team/values.yaml"]),
        "must be a path inside of the repository",
    ),
    "absolute values": (lambda app: helm(app).update(valueFiles=["/etc/passwd"]), "must be a path inside"),
    "remote values": (
        lambda app: helm(app).update(valueFiles=["https://evil.example.com/values.yaml"]),
        "must be a path inside of the repository",
    ),
    "values of a secret manager": (lambda app: helm(app).update(valueFiles=["secrets://x"]), "must be a path inside"),
    "another team's project": (
        lambda app: app["spec"].update(project="storefront"),
        "spec.project 'storefront' is not the team's: it must be 'payments'",
    ),
    "the open project": (lambda app: app["spec"].update(project="default"), "is not the team's"),
    "another cluster": (
        lambda app: app["spec"]["destination"].update(server="https://evil.example.com"),
        "spec.destination 'https://evil.example.com' is no configured cluster",
    ),
    "another cluster by name": (
        lambda app: app["spec"].update(destination={"name": "prod", "namespace": "ledger-production"}),
        "spec.destination 'prod' is no configured cluster",
    ),
    "a namespace of the cluster": (
        lambda app: app["spec"]["destination"].update(namespace="kube-system"),
        "namespace 'kube-system' is reserved",
    ),
    "a namespace without guardrails": (
        lambda app: app["spec"]["syncPolicy"]["syncOptions"].append("CreateNamespace=true"),
        "makes a namespace without quota and policies",
    ),
    "another name": (lambda app: app["metadata"].update(name="other"), "metadata.name 'other' must be the file's"),
    "another namespace": (
        lambda app: app["metadata"].update(namespace="ledger"),
        "metadata.namespace must be 'argocd'",
    ),
    "another kind": (lambda app: app.update(kind="ApplicationSet"), "ApplicationSet has no place among"),
    "a folder outside": (lambda app: app["spec"]["source"].update(path="../x"), "must be a path inside"),
    "a file of the server": (lambda app: app["spec"]["source"].update(repoURL="file:///etc"), "the address of one"),
    "several sources": (
        lambda app: app["spec"].update(sources=[app["spec"].pop("source"), {"repoURL": "*", "ref": "values"}]),
        r"spec.sources\[1\].repoURL '\*' must be the address of one",
    ),
    "one source beside none of several": (
        lambda app: app["spec"].update(sources=[], source={"repoURL": "*"}),
        "spec.source.repoURL '\\*' must be the address of one",
    ),
    "an operation": (
        lambda app: app.update(operation={"sync": {"source": {"repoURL": URL, "plugin": {}}}}),
        "operation is not for teams: leave it out",
    ),
    "a source by another member": (
        lambda app: app["spec"].update(sourceHydrator={"drySource": {"repoURL": "https://evil.example.com"}}),
        "spec.sourceHydrator is not for teams",
    ),
    "labels of the namespace": (
        lambda app: app["spec"]["syncPolicy"].update(managedNamespaceMetadata={"labels": {"team": "none"}}),
        "spec.syncPolicy.managedNamespaceMetadata is not for teams",
    ),
    "no source": (lambda app: app["spec"].pop("source"), "the address of one"),
}
PROJECTS: dict[str, tuple[Callable[[Json], None], str]] = {
    "all repositories": (lambda it: it["spec"].update(sourceRepos=["*"]), "spec.sourceRepos '\\*' must be the address"),
    "all namespaces": (
        lambda it: it["spec"].update(destinations=[{"server": "https://kubernetes.test", "namespace": "*"}]),
        "spec.destinations: namespace '\\*' is not allowed",
    ),
    "all clusters": (
        lambda it: it["spec"]["destinations"][0].update(server="*"),
        "spec.destinations '\\*' is no configured cluster",
    ),
    "roles of the cluster": (
        lambda it: it["spec"].update(
            clusterResourceWhitelist=[{"group": "rbac.authorization.k8s.io", "kind": "ClusterRole"}]
        ),
        "'ClusterRole' is the cluster's, not a team's",
    ),
    "its own namespace": (
        lambda it: it["spec"].update(clusterResourceWhitelist=[{"group": "", "kind": "Namespace"}]),
        "'Namespace' is the cluster's, not a team's",
    ),
    "its own quota": (
        lambda it: it["spec"]["namespaceResourceWhitelist"].append({"group": "", "kind": "ResourceQuota"}),
        "'ResourceQuota' is the platform's, not a team's",
    ),
    "applications from anywhere": (
        lambda it: it["spec"].update(sourceNamespaces=["*"]),
        "spec.sourceNamespaces is not for teams",
    ),
    "all kinds": (
        lambda it: it["spec"].update(namespaceResourceWhitelist=[{"group": "*", "kind": "*"}]),
        "name each kind",
    ),
    "another team's": (lambda it: it["metadata"].update(name="storefront"), "metadata.name 'storefront' must be"),
    "no list": (lambda it: it["spec"].update(destinations="x"), "spec.destinations must be a list"),
}
ATTACKS = [
    *(pytest.param("Application", *attack, id=name) for name, attack in APPLICATIONS.items()),
    *(pytest.param("AppProject", *attack, id=f"project: {name}") for name, attack in PROJECTS.items()),
]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(("kind", "change", "message"), ATTACKS)
async def test_what_goes_round_the_guardrails_is_refused(
    kind: str, change: Callable[[Json], None], message: str, dry_run: bool, tmp_path: Path
) -> None:
    forge = FakeForge(unreachable="nobody may ask")
    with pytest.raises(InputError, match=f"(?s)Nothing was committed:\n- {FOLDER}/.*{message}"):
        await commit_files(tmp_path, change, kind, forge, dry_run=dry_run)
    assert not forge.repositories


def application_set() -> Json:
    team = TeamSpec(
        name="payments",
        title="Payments",
        description="",
        email=None,
        parent=None,
        members=[],
        people=[],
        namespace="payments",
        server="https://kubernetes.test",
        repo_url="https://forge.test/platform/gitops.git",
        revision="main",
        argocd_namespace="argocd",
    )
    return application_set_of(team)


SETS: dict[str, tuple[Callable[[Json], None], str]] = {
    "another project": (
        lambda it: it["spec"]["template"]["spec"].update(project="default"),
        "spec.template.spec.project 'default' is not the team's",
    ),
    "another cluster": (
        lambda it: it["spec"]["template"]["spec"]["destination"].update(server="https://evil.example.com"),
        "is no configured cluster",
    ),
    "parameters": (
        lambda it: it["spec"]["template"]["spec"]["source"].update(helm={"parameters": []}),
        "helm.parameters is not for teams",
    ),
    "what the clusters are called": (
        lambda it: it["spec"]["generators"].append({"clusters": {}}),
        "spec.generators.clusters is not for teams",
    ),
    "a patch past the template": (
        lambda it: it["spec"].update(templatePatch="spec: {project: default}"),
        "spec.templatePatch is not for teams",
    ),
}


@pytest.mark.parametrize("name", SETS)
async def test_a_set_of_applications_is_what_one_application_may_be(name: str, tmp_path: Path) -> None:
    forge, manifest = FakeForge(), application_set()
    await commit_one(tmp_path / "good", "application-set.yaml", manifest, forge)
    assert f"{FOLDER}/application-set.yaml" in forge.files("platform", "gitops")
    change, message = SETS[name]
    change(manifest)
    with pytest.raises(InputError, match=f"(?s)Nothing was committed:\n- {FOLDER}/application-set.yaml: .*{message}"):
        await commit_one(tmp_path / "bad", "application-set.yaml", manifest, forge)


@pytest.mark.parametrize("make", [lambda: application_manifest(SPEC), lambda: project_manifest(SPEC), application_set])
async def test_what_argo_cd_acts_on_stands_where_it_is_looked_at(make: Callable[[], Json], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"databases/x.yaml: .*: has no place here; write it to"):
        await commit_one(tmp_path, "databases/x.yaml", make(), FakeForge())


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("Application", APPLICATIONS["parameters"][0], "helm.parameters is not for teams"),
        ("Application", APPLICATIONS["a namespace of the cluster"][0], "namespace 'kube-system' is reserved"),
        ("Application", APPLICATIONS["an operation"][0], "operation is not for teams"),
        ("AppProject", PROJECTS["all repositories"][0], "must be the address of one"),
        ("AppProject", PROJECTS["its own quota"][0], "'ResourceQuota' is the platform's"),
    ],
)
async def test_a_clone_may_no_more_than_what_it_is_of(
    kind: str, change: Callable[[Json], None], message: str, tmp_path: Path
) -> None:
    manifest = application_manifest(SPEC) if kind == "Application" else project_manifest(SPEC)
    change(manifest)
    with pytest.raises(InputError, match=f"(?s)Nothing was committed:\n- {FOLDER}/clones/x/all.yaml: .*{message}"):
        await commit_one(tmp_path, "clones/x/all.yaml", manifest, FakeForge())


async def test_what_we_write_ourselves_passes(tmp_path: Path) -> None:
    forge = FakeForge()
    await commit_files(tmp_path, lambda _: None, "", forge)
    assert {*FILES} < {*forge.files("platform", "gitops")}


@pytest.mark.parametrize("kind", ["Application", "AppProject"])
async def test_a_namespace_that_another_team_has_there_is_no_destination(kind: str, tmp_path: Path) -> None:
    forge = FakeForge()
    made = FakeRepository(forge.plan_repository("platform", "gitops"))
    made.branches["main"] = {"infrastructure/teams/storefront/namespaces/cart-production.yaml": b"kind: Namespace\n"}
    forge.repositories["platform/gitops"] = made

    def into_theirs(manifest: Json) -> None:
        spec = manifest["spec"]
        destination = spec["destination"] if kind == "Application" else spec["destinations"][0]
        destination["namespace"] = "cart-production"

    with pytest.raises(ConflictError, match=r"namespace cart-production, which .* belongs to team storefront"):
        await commit_files(tmp_path, into_theirs, kind, forge)
    assert list(made.branches) == ["main"]
    assert len(made.branches["main"]) == 1


THEIRS = {
    f"infrastructure/teams/storefront/{file}": b"kind: Namespace\n"
    for file in ("namespaces/cart-production.yaml", "namespace.yaml", "clones/sale/environment.yaml")
}
GRANT: Json = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "ours"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "payments"}],
}


async def commit_one(workspace: Path, file: str, manifest: Json, forge: FakeForge) -> None:
    """Write one file of the team payments, beside what storefront has."""
    made = FakeRepository(forge.plan_repository("platform", "gitops"))
    made.branches["main"] = dict(THEIRS)
    forge.repositories["platform/gitops"] = made
    path = workspace / "gitops" / FOLDER / file
    path.parent.mkdir(parents=True)
    path.write_text(dump(manifest))
    forges = FakeForges([forge])
    ports = fake_ports(forges=forges, git=FakeGit(forges), clusters=FakeClusters([FakeCluster()]))
    step = {"sourcePath": "gitops", "message": "Add"}
    await run_action(commit, step, workspace=workspace, ports=ports, defaults=DEFAULTS)


@pytest.mark.parametrize("file", ["databases/x.yaml", "namespaces/ours.yaml", "x.json"])
@pytest.mark.parametrize("namespace", ["cart-production", "storefront", "clone-sale"])
async def test_nothing_of_a_team_is_in_another_teams_namespace(namespace: str, file: str, tmp_path: Path) -> None:
    forge = FakeForge()
    grant = {**GRANT, "metadata": {"name": "ours", "namespace": namespace}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [grant]}
    with pytest.raises(
        ConflictError, match=rf"namespace {namespace}, which .*{file} reaches, belongs to team storefront"
    ):
        await commit_one(tmp_path, file, listed, forge)
    assert forge.files("platform", "gitops") == THEIRS


@pytest.mark.parametrize("namespace", ["kube-system", "argocd", "monitoring", "../x", "default"])
async def test_nothing_of_a_team_is_in_a_namespace_of_the_platform(namespace: str, tmp_path: Path) -> None:
    forge = FakeForge()
    grant = {**GRANT, "metadata": {"name": "ours", "namespace": namespace}}
    with pytest.raises(InputError, match=r"databases/x.yaml: RoleBinding ours: namespace .* is (reserved|not allowed)"):
        await commit_one(tmp_path, "databases/x.yaml", grant, forge)
    assert forge.files("platform", "gitops") == THEIRS


async def test_a_teams_own_namespaces_and_entities_are_its_own(tmp_path: Path) -> None:
    own = [
        {**GRANT, "metadata": {"name": "ours", "namespace": "payments"}},
        {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Group",
            "metadata": {"name": "payments", "namespace": "default"},
        },
    ]
    forge = FakeForge()
    await commit_one(tmp_path, "x.yaml", {"apiVersion": "v1", "kind": "List", "items": own}, forge)
    assert f"{FOLDER}/x.yaml" in forge.files("platform", "gitops")
