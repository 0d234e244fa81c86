"""`environment:clone`: what is written, what never comes along, what is refused before anything is written."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.actions.cloning import FOLDER, application, clone, world, written
from tests.unit.skeletons.golden_path import GUARDRAILS

from understage.errors import ConflictError, InputError, NotFoundError, UnderstageError
from understage.sdk.testing import Checkpoints, FakeArgoCd, FakeArgoCds, FakeCluster, FakeClusters, fake_ports
from understage.sdk.yaml import dump, parse_documents
from understage_actions._database_manifests import SIZES, BackupPlan, DatabaseSpec, cloudnative_pg_manifests
from understage_actions._tenant_files import check_team_files
from understage_actions._vault_manifests import AS_IT_IS

PLAIN: dict[str, Any] = {"replicas": 3, "env": {"PEER": "http://shop.shop-staging.svc:80", "MODE": "fast"}}
SECRET = {
    "externalSecret": {
        "enabled": True,
        "data": {
            "SIGNING_KEY": {"key": "teams/payments/staging/ledger", "property": "signing"},
            "PARTNER_TOKEN": {"key": "teams/payments/staging/ledger", "property": "partner"},
        },
    }
}


def texts(workspace: Path) -> str:
    return "\n".join(path.read_text() for path in workspace.rglob("*") if path.is_file())


async def test_a_service_is_cloned_into_a_namespace_of_its_own(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": PLAIN})
    result = await clone(ports, tmp_path)
    environment = {item["kind"]: item for item in written(tmp_path, "environment.yaml")}
    namespace = environment["Namespace"]["metadata"]
    assert namespace["name"] == "clone-refunds"
    ends = datetime.fromisoformat(namespace["annotations"]["understage.io/expires-at"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=1)
    assert namespace["labels"]["understage.io/expires-at"] == ends.strftime("%Y%m%dT%H%M%SZ")
    assert namespace["annotations"]["understage.io/owner"] == "group:default/payments"
    assert (namespace["labels"]["team"], namespace["labels"]["environment"]) == ("payments", "clone-refunds")
    assert environment["ResourceQuota"]["spec"]["hard"]["requests.memory"] == "8Gi"
    project = environment["AppProject"]
    assert project["metadata"]["name"] == "clone-refunds"
    assert project["spec"]["destinations"] == [{"server": "https://kubernetes.test", "namespace": "clone-refunds"}]
    assert project["spec"]["clusterResourceWhitelist"] == []

    (application,) = written(tmp_path, "applications.yaml")
    assert application["metadata"]["name"] == "ledger-clone-refunds"
    assert application["spec"]["project"] == "clone-refunds"
    assert application["spec"]["destination"]["namespace"] == "clone-refunds"
    source = application["spec"]["source"]
    # A commit, not a branch: what is committed later was not looked at.
    assert re.fullmatch("[0-9a-f]{40}", source["targetRevision"])
    helm = source["helm"]
    assert helm["valueFiles"] == ["environments/staging.yaml"]
    own = helm["valuesObject"]["base-service"]
    assert own["replicas"] == 1
    assert own["labels"] == {"team": "payments", "environment": "clone-refunds"}
    assert written(tmp_path, "secrets.yaml") == written(tmp_path, "databases.yaml") == []

    objects = {(item["kind"], item["name"]) for item in result.output["objects"]}
    assert {("Namespace", "clone-refunds"), ("AppProject", "clone-refunds"), ("Deployment", "ledger")} <= objects
    everything = [item.value for item in parse_documents((tmp_path / "rendered.yaml").read_bytes())]
    assert {(item["kind"], item["metadata"]["name"]) for item in everything} == objects
    (deployment,) = [item for item in everything if item["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith("payments/ledger:1.2.0")
    assert "| Deployment | ledger | ledger |" in result.output["plan"]


async def test_all_services_of_a_system_call_each_other_within_the_clone(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": PLAIN, "shop": {}})
    result = await clone(ports, tmp_path, source="system:default/checkout")
    assert result.output["services"] == ["ledger", "shop"]
    assert result.output["applications"] == ["ledger-clone-refunds", "shop-clone-refunds"]
    first, _ = written(tmp_path, "applications.yaml")
    env = first["spec"]["source"]["helm"]["valuesObject"]["base-service"]["env"]
    assert env == {"PEER": "http://shop.clone-refunds.svc:80", "MODE": "fast"}
    assert "staging.svc" not in texts(tmp_path)


async def test_secrets_are_issued_anew_and_never_copied(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": SECRET})
    await clone(ports, tmp_path, storedSecrets=["PARTNER_TOKEN"])
    generator, external = written(tmp_path, "secrets.yaml")
    assert generator["kind"] == "Password"
    assert external["spec"]["refreshPolicy"] == "CreatedOnce"
    assert [entry["rewrite"][0]["regexp"]["target"] for entry in external["spec"]["dataFrom"]] == ["SIGNING_KEY"]
    assert external["spec"]["data"] == [
        {
            "secretKey": "PARTNER_TOKEN",
            "remoteRef": {**AS_IT_IS, "key": "teams/payments/clones/clone-refunds/ledger", "property": "PARTNER_TOKEN"},
        }
    ]
    rendered = [item.value for item in parse_documents((tmp_path / "rendered.yaml").read_bytes())]
    assert not [item for item in rendered if item["kind"] == "Secret"]
    assert [item["metadata"]["name"] for item in rendered if item["kind"] == "ExternalSecret"] == ["ledger-clone"]
    (deployment,) = [item for item in rendered if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "ledger-clone"}}]
    assert "teams/payments/staging" not in texts(tmp_path)


async def test_where_vault_is_a_clone_has_a_store_of_its_own(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": SECRET})
    defaults = {"vault": {"server": "https://vault.example.com:8200", "authMountPath": "kubernetes/west"}}
    result = await clone(ports, tmp_path, storedSecrets=["PARTNER_TOKEN"], defaults=defaults)
    environment = {item["kind"]: item for item in written(tmp_path, "environment.yaml")}
    account, store = environment["ServiceAccount"], environment["SecretStore"]
    ends = environment["Namespace"]["metadata"]["annotations"]["understage.io/expires-at"]
    for item in (account, store):
        assert (item["metadata"]["name"], item["metadata"]["namespace"]) == ("vault", "clone-refunds")
        assert item["metadata"]["labels"]["team"] == "payments"
        assert item["metadata"]["annotations"]["understage.io/expires-at"] == ends
    provider = store["spec"]["provider"]["vault"]
    assert (provider["server"], provider["path"], provider["version"]) == (
        "https://vault.example.com:8200",
        "secret",
        "v2",
    )
    assert provider["auth"]["kubernetes"] == {
        "mountPath": "kubernetes/west",
        "role": "payments.clones",
        "serviceAccountRef": {"name": "vault"},
    }
    (_, external) = written(tmp_path, "secrets.yaml")
    assert external["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}
    assert "| SecretStore | vault | the environment |" in result.output["plan"]
    # It is what gitops:commit and the guardrails take, and nothing else is.
    files = {path.relative_to(tmp_path / "gitops").as_posix(): path for path in (tmp_path / FOLDER).iterdir()}
    check_team_files(files)
    assert GUARDRAILS.check(list(environment.values())) == []
    for role in ("ledger-production", "others.clones", "clone-refunds"):
        text = dump(store).replace("payments.clones", role)
        (tmp_path / FOLDER / "environment.yaml").write_text(text)
        with pytest.raises(InputError, match=r"must be the store 'vault' with 'payments\.clones'"):
            check_team_files(files)


async def test_without_vault_a_clone_with_stored_secrets_says_what_is_missing(
    helm_binary: Path, tmp_path: Path
) -> None:
    ports, _ = world(helm_binary, {"ledger": SECRET})
    result = await clone(ports, tmp_path, storedSecrets=["PARTNER_TOKEN"])
    assert "SecretStore" not in texts(tmp_path / "gitops").replace("kind: SecretStore\n    name: vault", "")
    assert any("make vault in clone-refunds" in line for line in result.log)
    quiet = await clone(ports, tmp_path)
    assert not any("Vault is not configured" in line for line in quiet.log)


async def test_databases_are_small_and_empty(helm_binary: Path, tmp_path: Path) -> None:
    spec = DatabaseSpec(
        name="ledger-db", namespace="ledger-staging", service="ledger", team="payments", environment="staging",
        owner="group:default/payments", database="ledger", version="16", size_name="large", size=SIZES["large"],
        backup=BackupPlan("0 0 3 * * *", "s3://backups/payments"), expires_at=None, operator_namespace="cnpg-system",
        monitoring_namespace="monitoring", extensions=["pg_trgm"],
    )  # fmt: skip
    manifests = cloudnative_pg_manifests(spec)
    for manifest in manifests:
        if manifest["kind"] == "Cluster":
            manifest["spec"]["bootstrap"]["recovery"] = {"source": "production"}
            manifest["spec"]["externalClusters"] = [{"name": "production"}]
    file = "infrastructure/teams/payments/databases/ledger-staging.ledger-db.yaml"
    connected = {"envFrom": [{"prefix": "DATABASE_", "secretRef": {"name": "ledger-db-app"}}]}
    ports, _ = world(helm_binary, {"ledger": connected}, gitops={file: "---\n".join(map(dump, manifests))})
    await clone(ports, tmp_path)
    made = {item["kind"]: item for item in written(tmp_path, "databases.yaml")}
    assert list(made) == ["NetworkPolicy", "Cluster", "Database"]
    cluster = made["Cluster"]
    assert cluster["metadata"]["namespace"] == "clone-refunds"
    assert (cluster["spec"]["instances"], cluster["spec"]["storage"]) == (1, {"size": "5Gi"})
    assert list(cluster["spec"]["bootstrap"]) == ["initdb"]
    assert cluster["spec"]["imageName"].endswith(":16")
    assert not {"externalClusters", "backup", "plugins"} & set(cluster["spec"])
    assert made["Database"]["spec"]["extensions"] == [{"name": "pg_trgm", "ensure": "present"}]
    assert "s3://" not in texts(tmp_path)


LEAKS: dict[str, dict[str, Any]] = parse_documents(Path(__file__).with_name("clone_leaks.yaml").read_bytes())[0].value


@pytest.mark.parametrize("leak", LEAKS)
async def test_what_would_bring_secrets_or_data_along_is_refused(leak: str, helm_binary: Path, tmp_path: Path) -> None:
    case = LEAKS[leak]
    ports, forge = world(helm_binary, {"ledger": case.get("values", {})}, files=case.get("files"))
    before = forge.files("platform", "gitops")
    with pytest.raises(InputError) as caught:
        await clone(ports, tmp_path)
    assert case["refusal"] in caught.value.message
    assert "nothing was written" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert list(tmp_path.iterdir()) == []
    assert forge.files("platform", "gitops") == before


async def test_routes_replicas_and_alerts_of_the_original_stay_behind(helm_binary: Path, tmp_path: Path) -> None:
    values = {
        "route": {"enabled": True, "hostnames": ["ledger.example.com"]},
        "ingress": {"enabled": True, "hostnames": ["ledger.example.com"]},
        "autoscaling": {"enabled": True, "minReplicas": 5},
        "slo": {"enabled": True},
        "serviceMonitor": {"enabled": True},
    }
    ports, _ = world(helm_binary, {"ledger": values})
    result = await clone(ports, tmp_path)
    kinds = {item["kind"] for item in result.output["objects"]}
    assert not kinds & {"HTTPRoute", "Ingress", "HorizontalPodAutoscaler", "PrometheusRule"}
    assert "ServiceMonitor" in kinds
    assert "ledger.example.com" not in texts(tmp_path)


PRODUCTION = {
    **SECRET,
    "env": {"PROVIDER_URL": "https://api.provider.example/v2", "PEER": "http://ledger.ledger-production:80"},
}


async def test_from_production_every_way_out_must_be_allowed_by_name(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": PRODUCTION}, environment="production")
    with pytest.raises(InputError, match=r"leads to api\.provider\.example .* name it in `sharedHosts`"):
        await clone(ports, tmp_path, **{"from": "production"})
    assert list(tmp_path.iterdir()) == []
    other = {"ledger": {"env": {"PROVIDER_URL": "https://sandbox.provider.example"}}}
    shared = ["sandbox.provider.example"]
    await clone(ports, tmp_path, **{"from": "production"}, values=other, sharedHosts=shared)
    text = "\n".join(path.read_text() for path in (tmp_path / FOLDER).iterdir())
    # The values file of production is named, since image and settings come from it; nothing else of it is.
    named = [line for line in text.splitlines() if "production" in line and not line.startswith("#")]
    assert [line.strip() for line in named] == ["- environments/production.yaml"]
    assert not re.search(r"production", (tmp_path / "rendered.yaml").read_text().replace(named[0].strip(), ""))


async def test_the_same_step_again_writes_the_same_and_what_is_half_done_is_repaired(
    helm_binary: Path, tmp_path: Path
) -> None:
    ports, _ = world(helm_binary, {"ledger": PLAIN, "shop": {}})
    checkpoints = Checkpoints()
    await clone(ports, tmp_path, source="system:default/checkout", checkpoints=checkpoints)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / FOLDER / "applications.yaml").write_text("half")
    (tmp_path / FOLDER / "secrets.yaml").unlink()
    await clone(ports, tmp_path, source="system:default/checkout", checkpoints=checkpoints)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == whole


@pytest.mark.parametrize("ttl", ["0h", "-1d", "1", "31d", "5w", "721h", "1y", "", "3d\n", "9999999d"])
async def test_a_time_to_live_out_of_bounds_is_refused(ttl: str, helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": {}})
    with pytest.raises(InputError, match="ttl"):
        await clone(ports, tmp_path, ttl=ttl)
    assert list(tmp_path.iterdir()) == []


async def test_the_longest_time_to_live_is_taken(helm_binary: Path, tmp_path: Path) -> None:
    ports, _ = world(helm_binary, {"ledger": {}})
    result = await clone(ports, tmp_path, ttl="30d")
    assert datetime.fromisoformat(result.output["expiresAt"]) > datetime.now(UTC) + timedelta(days=29)


HOSTILE = ["../x", "a/b", "Upper", "a" * 21, "", "-a", "a-", "a.b", "a b", "a\nb", "${{ 1 }}", "a: b", "ä"]


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_names_are_refused_before_anything_is_read(value: str, tmp_path: Path) -> None:
    for member in ("name", "from"):
        if (member, value) == ("from", "a" * 21):
            continue
        with pytest.raises(InputError):
            await clone(fake_ports(), tmp_path, **{member: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"source": "component:default/absent"}, NotFoundError),
        ({"source": "component:default/theirs"}, ConflictError),
        ({"source": "user:default/ada"}, InputError),
        ({"team": "group:default/others"}, ConflictError),
        ({"from": "production"}, NotFoundError),
        ({"owner": "everybody"}, InputError),
        ({"values": {"shop": {}}}, InputError),
        ({"storedSecrets": ["X"]}, InputError),
        ({"targetPath": "../outside"}, UnderstageError),
        ({"manifestsPath": "../outside"}, UnderstageError),
        ({"quota": {"limitsCpu": "lots"}}, InputError),
        ({"values": {"ledger": {"unknown": 1}}}, InputError),
    ],
    ids=str,
)
async def test_other_bad_input_is_refused(
    bad: dict[str, Any], error: type[Exception], helm_binary: Path, tmp_path: Path
) -> None:
    ports, _ = world(helm_binary, {"ledger": {}})
    with pytest.raises(error):
        await clone(ports, tmp_path, **bad)


async def test_a_name_that_another_team_has_is_refused(helm_binary: Path, tmp_path: Path) -> None:
    taken = {"infrastructure/teams/others/clones/refunds/environment.yaml": "kind: Namespace\n"}
    ports, _ = world(helm_binary, {"ledger": {}}, gitops=taken)
    with pytest.raises(ConflictError, match="Environment refunds belongs to team others"):
        await clone(ports, tmp_path)
    foreign = FakeCluster("east")
    labels = {"team": "others"}
    foreign.seed(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "clone-refunds", "labels": labels}}, manager="x"
    )
    ports, _ = world(helm_binary, {"ledger": {}}, clusters=FakeClusters([foreign]))
    with pytest.raises(ConflictError, match="belongs to team others"):
        await clone(ports, tmp_path)


async def test_a_service_that_only_argo_cd_knows_is_cloned_too(helm_binary: Path, tmp_path: Path) -> None:
    instance = FakeArgoCd("main", applications={"ledger-staging": application("ledger", "staging")})
    ports, forge = world(helm_binary, {"ledger": PLAIN}, argocd=FakeArgoCds([instance]))
    del forge.repositories["platform/gitops"]
    result = await clone(ports, tmp_path)
    assert result.output["applications"] == ["ledger-clone-refunds"]
    assert list(instance.applications) == ["ledger-staging"]


async def test_values_of_a_source_of_their_own_are_cloned_too(helm_binary: Path, tmp_path: Path) -> None:
    found = application("ledger", "staging")
    chart = found["spec"].pop("source")
    chart["helm"]["valueFiles"] = ["$values/deploy/environments/staging.yaml"]
    values = {"repoURL": chart["repoURL"], "targetRevision": "main", "ref": "values"}
    found["spec"]["sources"] = [chart, values]
    instance = FakeArgoCd("main", applications={"ledger-staging": found})
    ports, forge = world(helm_binary, {"ledger": PLAIN}, argocd=FakeArgoCds([instance]))
    del forge.repositories["platform/gitops"]
    await clone(ports, tmp_path)
    (written_one,) = written(tmp_path, "applications.yaml")
    assert written_one["spec"]["source"]["helm"]["valueFiles"] == ["environments/staging.yaml"]


@pytest.mark.parametrize("member", ["parameters", "values", "valuesObject"])
async def test_values_that_stand_in_the_application_itself_are_refused(
    member: str, helm_binary: Path, tmp_path: Path
) -> None:
    found = application("ledger", "staging")
    found["spec"]["source"]["helm"][member] = {"env": {"PASSWORD": "hunter2"}}
    instance = FakeArgoCd("main", applications={"ledger-staging": found})
    ports, forge = world(helm_binary, {"ledger": PLAIN}, argocd=FakeArgoCds([instance]))
    del forge.repositories["platform/gitops"]
    with pytest.raises(InputError, match="move them into a values file"):
        await clone(ports, tmp_path)


async def test_a_values_file_out_of_the_repository_is_refused(helm_binary: Path, tmp_path: Path) -> None:
    found = application("ledger", "staging")
    found["spec"]["source"]["helm"]["valueFiles"] = ["../../etc/passwd"]
    instance = FakeArgoCd("main", applications={"ledger-staging": found})
    ports, forge = world(helm_binary, {"ledger": PLAIN}, argocd=FakeArgoCds([instance]))
    del forge.repositories["platform/gitops"]
    with pytest.raises(InputError, match="leads out of the service's repository"):
        await clone(ports, tmp_path)


async def test_without_helm_nothing_can_be_told_so_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Helm is not installed"):
        await clone(fake_ports(), tmp_path)
