"""Databases and environments that expire, on the bench: what the cluster has, what Argo CD makes and takes away."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import tools
from tests.cluster.bench import Cluster, Platform
from tests.cluster.bench.definitions import CRDS, claim_definition, definition, external_secret_definitions, install
from tests.cluster.bench.process import wait_for
from tests.unit.actions.cloning import entity, service_files

from understage.errors import InputError
from understage.integrations.argocd import argocd_from_config
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.gitea.forge import create_gitea_forge
from understage.integrations.helm import HelmBinary
from understage.integrations.kubernetes import clusters_from_config
from understage.platform.http import HttpClient
from understage.sdk import Ports
from understage.sdk.testing import FakeCatalog, FakeForges, fake_ports, run_action
from understage.sdk.yaml import dump
from understage_actions.argocd_register_app import register_app
from understage_actions.database_render import render
from understage_actions.environment_clone import clone_environment
from understage_actions.gitops_commit import commit
from understage_actions.kubernetes_create_namespace import create_namespace

DATABASE = {
    "name": "purse-db",
    "service": "purse",
    "team": "treasury",
    "environment": "staging",
    "ttl": "2d",
    "extensions": ["pg_trgm"],
}


CLAIM = {"apiVersion": "database.understage.io/v1alpha1", "kind": "PostgreSQLInstance"}


@pytest.fixture
def definitions(cluster: Cluster) -> None:
    """The cluster knows no databases when the test begins."""
    missing = tools.lacking(["definitions"])
    if missing:
        pytest.skip("; ".join(missing))


async def apply_rendered(cluster: Cluster, folder: Path, **input: Any) -> dict[str, Any]:
    """Render by what the cluster has, and apply it as Argo CD would; the output."""
    config = {
        "understage": {"kubernetes": {"clusters": [{"name": "bench", "kubeconfig": str(cluster.kubeconfig)}]}},
    }
    ports = fake_ports(clusters=clusters_from_config(config))
    result = await run_action(render, {**DATABASE, **input}, ports=ports, workspace=folder)
    for manifest in result.output["manifests"]:
        cluster.apply(manifest)
    return result.output


async def test_the_definitions_of_the_cluster_choose_the_engine(
    cluster: Cluster, definitions: None, tmp_path: Path
) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "purse-staging"}})
    with pytest.raises(InputError, match=r"has not CloudNativePG .* nor the Crossplane claim"):
        await apply_rendered(cluster, tmp_path)

    claims = claim_definition()
    cluster.apply(claims)
    cluster.path_of(
        {"apiVersion": "database.understage.io/v1alpha1", "kind": "PostgreSQLInstance", "metadata": {"name": "x"}}
    )
    claimed = await apply_rendered(cluster, tmp_path, extensions=[])
    assert claimed["engine"] == "crossplane"
    path = "/apis/database.understage.io/v1alpha1/namespaces/purse-staging/postgresqlinstances/purse-db"
    stored = cluster.get(path)
    assert stored is not None
    assert stored["spec"]["parameters"]["memory"] == "512Mi"
    assert stored["metadata"]["annotations"]["understage.io/expires-at"] == claimed["expiresAt"]

    for name in ("clusters", "databases", "scheduledbackups"):
        cluster.apply(definition("config/crd/bases", f"postgresql.cnpg.io_{name}"))
    cluster.path_of({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "x"}})
    made = await apply_rendered(cluster, tmp_path, size="large")
    assert made["engine"] == "cloudnative-pg"
    api = "/apis/postgresql.cnpg.io/v1/namespaces/purse-staging"
    stored = cluster.get(f"{api}/clusters/purse-db")
    assert stored is not None
    assert (stored["spec"]["instances"], stored["spec"]["storage"]["size"]) == (3, "100Gi")
    for kind in ("databases", "scheduledbackups"):
        found = cluster.get(f"{api}/{kind}/purse-db")
        assert found is not None
        # What the definition does not know is dropped: all that was written is still there.
        (wanted,) = [item for item in made["manifests"] if item["kind"].lower() + "s" == kind]
        assert wanted["spec"].items() <= found["spec"].items()
    cluster.delete("/api/v1/namespaces/purse-staging")


TEAM = "bursary"
FOLDER = f"infrastructure/teams/{TEAM}"
GITOPS = ("platform", "environments")
PLACES = ("purse-staging", "clone-spring")
DATABASE_FILE = f"{FOLDER}/databases/purse-staging.purse-db.yaml"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


def commit_service(platform: Platform, name: str) -> None:
    """A repository as new-service makes it, with a secret, and its Application in the GitOps repository."""
    external = {
        "enabled": True,
        "data": {"SIGNING_KEY": {"key": f"teams/{TEAM}/staging/{name}", "property": "signing"}},
    }
    database = [{"prefix": "DATABASE_", "secretRef": {"name": f"{name}-db-app"}}]
    values = {"replicas": 2, "env": {"MODE": "fast"}, "externalSecret": external, "envFrom": database}
    files = service_files(name, values, "staging")
    platform.gitea.create_repository(TEAM, name)
    platform.gitea.commit(TEAM, name, {path: text.decode() for path, text in files.items()}, "Begin")


async def deploy(platform: Platform, folder: Path, name: str) -> None:
    """Its namespace, project, database and Application, committed for Argo CD to find."""
    folder.mkdir()
    url = platform.gitea.clone_url(TEAM, name)
    common = {"team": TEAM, "environment": "staging", "namespace": f"{name}-staging"}
    ports = fake_ports(clusters=clusters_from_config(platform.app_config()))
    await run_action(create_namespace, {**common, "mode": "files"}, workspace=folder)
    values = ["deploy/environments/staging.yaml"]
    application = {**common, "name": f"{name}-staging", "repoUrl": url, "valueFiles": values, "via": "files"}
    await run_action(register_app, application, workspace=folder, ports=ports)
    # A claim: Argo CD cannot tell the health of a CloudNativePG Cluster before its operator, which is not here, has seen it.
    database = {
        **DATABASE,
        "name": f"{name}-db",
        "team": TEAM,
        "size": "large",
        "engine": "crossplane",
        "extensions": [],
    }
    await run_action(render, database, workspace=folder, ports=ports)
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.yaml")}
    platform.gitea.commit(*GITOPS, files, "Deploy")


def follow_team(platform: Platform) -> None:
    """The platform's own Application over the team's folder: all that is in it is made, what leaves it is removed."""
    source = {"repoURL": platform.gitea.clone_url(*GITOPS), "targetRevision": "main", "path": FOLDER}
    platform.cluster.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": f"team-{TEAM}", "namespace": platform.argocd.namespace},
            "spec": {
                "project": "default",
                "source": {**source, "directory": {"recurse": True}},
                "destination": {"server": platform.argocd.destination, "namespace": platform.argocd.namespace},
                "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["ServerSideApply=true"]},
            },
        }
    )


def everything(platform: Platform, namespace: str) -> set[tuple[str, str]]:
    """Kind and name of what was made in a namespace, what controllers make for it left out."""
    paths = {
        "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
        "Service": "/api/v1/namespaces/{}/services",
        "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
        "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
        "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
        "ExternalSecret": "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets",
        "Password": "/apis/generators.external-secrets.io/v1alpha1/namespaces/{}/passwords",
        "SecretStore": "/apis/external-secrets.io/v1/namespaces/{}/secretstores",
        "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
        "Secret": "/api/v1/namespaces/{}/secrets",
        "Pod": "/api/v1/namespaces/{}/pods",
    }
    found: set[tuple[str, str]] = set()
    for kind, path in paths.items():
        items = (platform.cluster.get(path.format(namespace)) or {"items": []})["items"]
        found |= {(kind, item["metadata"]["name"]) for item in items}
    return found


def uids(platform: Platform, namespace: str) -> set[str]:
    """Identities of what must not be touched: neither removed nor made anew."""
    paths = (f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}/deployments/purse")
    return {(platform.cluster.get(path) or {"metadata": {"uid": "gone"}})["metadata"]["uid"] for path in paths}


@pytest.mark.timeout(600)
async def test_a_clone_is_made_by_git_and_its_end_removes_all_of_it_and_nothing_else(
    platform: Platform, definitions: None, helm_binary: Path, http: HttpClient, tmp_path: Path
) -> None:
    platform.cluster.apply(claim_definition())
    platform.cluster.path_of({**CLAIM, "metadata": {"name": "x"}})
    install(
        platform.cluster, *external_secret_definitions(), definition(CRDS, "generators.external-secrets.io_passwords")
    )
    platform.gitea.create_organization(TEAM)
    if platform.gitea.request("GET", "/orgs/platform").status_code == 404:
        platform.gitea.create_organization("platform")
    platform.gitea.create_repository(*GITOPS)
    commit_service(platform, "purse")
    await deploy(platform, tmp_path / "original", "purse")
    follow_team(platform)
    assert wait_for("the original's pods", lambda: len(platform.cluster.pods("purse-staging")) == 2 or None, 150)
    before = uids(platform, "purse-staging")

    workspace = tmp_path / "clone"
    workspace.mkdir()
    ports, defaults = real_ports(platform, http, helm_binary, tmp_path)
    input = {"source": "component:default/purse", "from": "staging", "name": "spring", "team": TEAM, "ttl": "1h"}
    planned = await run_action(
        clone_environment, {**input, "targetPath": "gitops"}, workspace=workspace, ports=ports, defaults=defaults
    )
    assert platform.gitea.read(*GITOPS, f"{FOLDER}/clones/spring/environment.yaml") is None
    committing = {"sourcePath": "gitops", "message": "Clone purse"}
    await run_action(commit, committing, workspace=workspace, ports=ports, defaults=defaults)
    assert wait_for("the clone's pod", lambda: len(platform.cluster.pods("clone-spring")) == 1 or None, 120)

    made = everything(platform, "clone-spring")
    promised = {
        (item["kind"], item["name"]) for item in planned.output["objects"] if item["namespace"] == "clone-spring"
    }
    seen = {"Deployment", "Service", "NetworkPolicy", "ResourceQuota", "RoleBinding", "ExternalSecret", "Password"}
    seen |= {"SecretStore"}
    assert {("SecretStore", "vault"), ("ServiceAccount", "vault")} <= made
    assert {item for item in made if item[0] in seen} == {item for item in promised if item[0] in seen}
    # No operator runs here, so whatever secret there were would be a copy.
    assert not [item for item in made if item[0] == "Secret"]
    external = platform.cluster.get("/apis/external-secrets.io/v1/namespaces/clone-spring/externalsecrets/purse-clone")
    assert external is not None
    assert [entry["rewrite"][0]["regexp"]["target"] for entry in external["spec"]["dataFrom"]] == ["SIGNING_KEY"]
    databases = "/apis/database.understage.io/v1alpha1/namespaces/{}/postgresqlinstances/purse-db"
    originals, clones = (databases.format(place) for place in PLACES)
    claims = [platform.cluster.get(path) for path in (originals, clones)]
    assert [claim and claim["spec"]["parameters"]["instances"] for claim in claims] == [3, 1]
    assert [claim and "backup" in claim["spec"]["parameters"] for claim in claims] == [True, False]
    project = platform.cluster.get("/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/clone-spring")
    assert project is not None
    namespace = platform.cluster.get("/api/v1/namespaces/clone-spring")
    assert namespace is not None
    assert namespace["metadata"]["annotations"]["understage.io/expires-at"] == planned.output["expiresAt"]

    await clone_system(platform, ports, defaults, tmp_path)
    config = write_config(platform, tmp_path)
    early = expire_by_command(config)
    assert early["expired"] == []
    assert {item["kind"] for item in early["remaining"]} == {"environment", "database"}
    end_now(platform)
    files = platform.gitea.tree(*GITOPS)
    done = expire_by_command(config)
    assert [item["path"] for item in done["expired"]] == [f"{FOLDER}/clones/spring", DATABASE_FILE]
    gone = {DATABASE_FILE, *(path for path in files if path.startswith(f"{FOLDER}/clones/spring/"))}
    assert len(gone) == 5
    assert platform.gitea.tree(*GITOPS) == files - gone
    for path in (
        "/api/v1/namespaces/clone-spring",
        "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/purse-clone-spring",
        "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/clone-spring",
        clones,
        originals,
    ):
        assert wait_for(f"the end of {path}", lambda path=path: platform.cluster.get(path) is None or None, 150)
    assert everything(platform, "clone-spring") == set()
    assert uids(platform, "purse-staging") == before
    assert len(platform.cluster.pods("purse-staging")) == 2
    assert expire_by_command(config)["expired"] == []


async def clone_system(platform: Platform, ports: Ports, defaults: dict[str, Any], folder: Path) -> None:
    """All services of a system into one namespace, in which they run beside each other and have what a clone has once."""
    commit_service(platform, "coffer")
    await deploy(platform, folder / "second", "coffer")
    workspace = folder / "system"
    workspace.mkdir()
    input = {"source": "system:default/till", "from": "staging", "name": "summer", "team": TEAM, "ttl": "1h"}
    planned = await run_action(
        clone_environment, {**input, "targetPath": "gitops"}, workspace=workspace, ports=ports, defaults=defaults
    )
    assert planned.output["services"] == ["coffer", "purse"]
    committing = {"sourcePath": "gitops", "message": "Clone till"}
    await run_action(commit, committing, workspace=workspace, ports=ports, defaults=defaults)
    assert wait_for("the pods of both", lambda: len(platform.cluster.pods("clone-summer")) == 2 or None, 150)
    made = everything(platform, "clone-summer")
    assert {name for kind, name in made if kind == "Deployment"} == {"coffer", "purse"}
    assert {name for kind, name in made if kind == "ExternalSecret"} == {"coffer-clone", "purse-clone"}
    assert len([kind for kind, _ in made if kind == "ResourceQuota"]) == 1
    assert not [item for item in made if item[0] == "Secret"]


def real_ports(platform: Platform, http: HttpClient, helm: Path, folder: Path) -> tuple[Ports, dict[str, Any]]:
    """Forge, git, Helm, cluster and Argo CD of the bench; a catalog with two services of a system."""
    gitea, owner = platform.gitea, f"group:default/{TEAM}"
    services = [entity("Component", name, owner) for name in ("coffer", "purse")]
    parts = [{"type": "hasPart", "targetRef": f"component:default/{name}"} for name in ("coffer", "purse")]
    forge = create_gitea_forge(
        http, host=gitea.host, base_url=gitea.url, username=gitea.username, password=gitea.password
    )
    ports = fake_ports(
        forges=FakeForges([forge]),
        git=GitRemotes(folder / "git"),
        helm=HelmBinary(str(helm)),
        clusters=clusters_from_config(platform.app_config()),
        argocd=argocd_from_config(platform.app_config()),
        catalog=FakeCatalog([*services, entity("System", "till", owner, relations=parts)]),
    )
    vault = {"server": "https://vault.example.com:8200"}
    return ports, {"vault": vault, "gitopsRepository": {"host": None, "owner": GITOPS[0], "name": GITOPS[1]}}


def end_now(platform: Platform) -> None:
    """The owner ends clone and database in Git, by the annotation."""
    ended: dict[str, str] = {}
    for file in (f"{FOLDER}/clones/spring/environment.yaml", DATABASE_FILE):
        text = platform.gitea.read(*GITOPS, file) or ""
        # The annotation; the label beside it has the basic form, without hyphens.
        ended[file], count = re.subn(r"\d{4}-\d{2}-\d{2}T[0-9:]+Z", "2026-01-01T00:00:00Z", text)
        assert count
    platform.gitea.commit(*GITOPS, ended, "End them")


def write_config(platform: Platform, folder: Path) -> Path:
    """A folder with the configuration of the command."""
    config = platform.app_config()
    config["backend"] = {"baseUrl": "http://localhost:7007"}
    config["understage"]["gitops"] = {"repoUrl": f"{platform.gitea.host}?owner={GITOPS[0]}&repo={GITOPS[1]}"}
    (folder / "app-config.yaml").write_text(dump(config))
    return folder


def expire_by_command(folder: Path) -> dict[str, Any]:
    """The output of `understage environment expire`."""
    command = [Path(sys.executable).with_name("understage"), "environment", "expire", "--json"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    output: dict[str, Any] = json.loads(ran.stdout)["output"]
    return output
