"""`database:render`: which engine, what is written, what is refused before anything is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS

from understage.errors import ConflictError, InputError, UnderstageError
from understage.sdk.testing import Checkpoints, FakeCluster, FakeClusters, fake_ports, run_action
from understage.sdk.yaml import parse_document, parse_documents
from understage_actions.database_render import render

CNPG = ("postgresql.cnpg.io/v1", "Cluster")
CLAIM = ("database.understage.io/v1alpha1", "PostgreSQLInstance")
INPUT = {"name": "ledger-db", "service": "ledger", "team": "group:default/payments", "environment": "production"}
FILE = "infrastructure/teams/payments/databases/ledger-production.ledger-db.yaml"


def ports(*unknown: tuple[str, str]) -> Any:
    return fake_ports(clusters=FakeClusters([FakeCluster("east", unknown_kinds=unknown)]))


async def make(workspace: Path, *unknown: tuple[str, str], checkpoints: Checkpoints | None = None, **input: Any) -> Any:
    return await run_action(
        render, {**INPUT, **input}, ports=ports(*unknown), workspace=workspace, checkpoints=checkpoints
    )


def kinds(workspace: Path) -> dict[str, Any]:
    return {document.value["kind"]: document.value for document in parse_documents((workspace / FILE).read_bytes())}


async def test_cloudnative_pg_is_chosen_where_the_cluster_has_it(tmp_path: Path) -> None:
    result = await make(tmp_path, size="medium", extensions=["pg_trgm"])
    assert result.output["engine"] == "cloudnative-pg"
    assert result.output["files"] == [FILE]
    objects = kinds(tmp_path)
    assert list(objects) == ["NetworkPolicy", "Cluster", "Database", "ScheduledBackup"]
    assert {item["metadata"]["namespace"] for item in objects.values()} == {"ledger-production"}
    spec = objects["Cluster"]["spec"]
    assert (spec["instances"], spec["enablePDB"], spec["storage"]) == (2, True, {"size": "20Gi"})
    assert spec["resources"] == {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    assert list(spec["bootstrap"]) == ["initdb"]
    assert objects["Database"]["spec"]["extensions"] == [{"name": "pg_trgm", "ensure": "present"}]
    assert GUARDRAILS.check(objects.values()) == []


async def test_one_instance_never_blocks_a_drain(tmp_path: Path) -> None:
    await make(tmp_path)
    assert kinds(tmp_path)["Cluster"]["spec"]["enablePDB"] is False


async def test_a_claim_is_chosen_where_the_cluster_has_that_only(tmp_path: Path) -> None:
    result = await make(tmp_path, CNPG, size="large")
    assert result.output["engine"] == "crossplane"
    (claim,) = kinds(tmp_path).values()
    assert (claim["apiVersion"], claim["kind"]) == CLAIM
    assert claim["spec"]["parameters"]["storage"] == "100Gi"
    assert claim["spec"]["writeConnectionSecretToRef"] == {"name": "ledger-db-app"}


@pytest.mark.parametrize(
    ("unknown", "engine", "words"),
    [
        ((CNPG, CLAIM), "auto", "has not CloudNativePG .* nor the Crossplane claim"),
        ((CNPG,), "cloudnative-pg", "has not CloudNativePG"),
        ((CLAIM,), "crossplane", "has not the Crossplane claim"),
    ],
)
async def test_what_the_cluster_lacks_is_told(unknown: Any, engine: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        await make(tmp_path, *unknown, engine=engine)
    assert list(tmp_path.iterdir()) == []


async def test_without_a_cluster_the_input_decides(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set `engine` to cloudnative-pg or crossplane"):
        await run_action(render, INPUT, ports=fake_ports(), workspace=tmp_path)
    result = await run_action(render, {**INPUT, "engine": "crossplane"}, ports=fake_ports(), workspace=tmp_path)
    assert result.output["engine"] == "crossplane"


async def test_a_namespace_of_another_team_gets_no_database_of_ours(tmp_path: Path) -> None:
    cluster = FakeCluster("east")
    labels = {"team": "storefront"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ledger-production", "labels": labels}}
    cluster.seed(namespace, manager="x")
    known = fake_ports(clusters=FakeClusters([cluster]))
    with pytest.raises(ConflictError, match="Namespace ledger-production belongs to team storefront"):
        await run_action(render, INPUT, ports=known, workspace=tmp_path)
    assert list(tmp_path.iterdir()) == []
    await run_action(render, {**INPUT, "team": "storefront"}, ports=known, workspace=tmp_path)


async def test_backups_go_to_an_object_store_or_stay_snapshots_or_are_off(tmp_path: Path) -> None:
    await make(tmp_path, backup={"destination": "s3://backups/payments", "retention": "14d"})
    objects = kinds(tmp_path)
    store = objects["ObjectStore"]["spec"]
    assert store["configuration"]["destinationPath"] == "s3://backups/payments/ledger-production"
    assert store["retentionPolicy"] == "14d"
    assert objects["ScheduledBackup"]["spec"]["method"] == "plugin"
    assert objects["Cluster"]["spec"]["plugins"][0]["parameters"] == {"barmanObjectName": "ledger-db"}
    await make(tmp_path)
    assert kinds(tmp_path)["ScheduledBackup"]["spec"]["method"] == "volumeSnapshot"
    await make(tmp_path, backup={"enabled": False})
    assert "ScheduledBackup" not in kinds(tmp_path)


async def test_the_time_to_live_is_on_every_object_and_the_same_when_the_step_runs_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints()
    first = await make(tmp_path, ttl="3d", checkpoints=checkpoints)
    before = (tmp_path / FILE).read_text()
    again = await make(tmp_path, ttl="3d", checkpoints=checkpoints)
    assert (tmp_path / FILE).read_text() == before
    assert first.output == again.output
    ends = datetime.fromisoformat(first.output["expiresAt"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=1)
    for item in kinds(tmp_path).values():
        assert item["metadata"]["annotations"] == {
            "understage.io/expires-at": first.output["expiresAt"],
            "understage.io/owner": "group:default/payments",
        }
        assert item["metadata"]["labels"]["understage.io/expires-at"] == ends.strftime("%Y%m%dT%H%M%SZ")


@pytest.mark.parametrize("ttl", ["0h", "-1d", "1", "1m", "1.5d", "367d", "53w", "99999h", "forever", "1d\n", ""])
async def test_a_time_to_live_out_of_bounds_is_refused(ttl: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ttl"):
        await make(tmp_path, ttl=ttl)
    assert list(tmp_path.iterdir()) == []


HOSTILE = ["../x", "a/b", "Upper", "a" * 64, "", "-a", "a-", "a.b", "a b", "a\nb", "${{ 1 }}", "a: b", "ä"]


MEMBERS = ["name", "service", "team", "environment", "namespace", "storageClass"]
HARMLESS = {("team", "Upper"), ("namespace", ""), ("storageClass", "")}
"""Refs of entities are the same in any case; an empty text is no namespace and no class."""


@pytest.mark.parametrize(
    ("member", "value"),
    [(member, value) for member in MEMBERS for value in HOSTILE if (member, value) not in HARMLESS],
)
async def test_hostile_names_are_refused_before_anything_is_written(member: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(UnderstageError):
        await make(tmp_path, **{member: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"namespace": "kube-system"},
        {"team": "group:other/payments"},
        {"owner": "payments"},
        {"database": "postgres"},
        {"database": "a'; drop"},
        {"storage": "1Pi"},
        {"storage": "20"},
        {"extensions": ["x; y"]},
        {"backup": {"schedule": "* * *"}},
        {"backup": {"destination": "https://evil.example/x"}},
        {"backup": {"destination": "s3://b/../other"}},
        {"claim": {"apiVersion": "x y/v1"}, "engine": "crossplane"},
        {"claim": {"kind": "secret"}, "engine": "crossplane"},
        {"targetPath": "../outside"},
        {"valuesFile": "../outside.yaml"},
        {"valuesFile": "absent.yaml"},
        {"prefix": "PATH=x\n"},
    ],
    ids=str,
)
async def test_other_bad_input_is_refused(bad: dict[str, Any], tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with pytest.raises(UnderstageError):
        await make(workspace, **bad)
    assert [path for path in tmp_path.rglob("*") if path != workspace] == []


async def test_the_connection_is_put_into_the_values_once_and_comments_stay(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("# ours\nbase-service:\n  envFrom:\n    - configMapRef: {name: x} # first\n  replicas: 3\n")
    first = await make(tmp_path, valuesFile="values.yaml")
    assert first.output["valuesChanged"] is True
    text = values.read_text()
    assert "# ours" in text
    own = parse_document(text).value["base-service"]
    assert own["replicas"] == 3
    assert own["envFrom"] == [
        {"configMapRef": {"name": "x"}},
        {"prefix": "DATABASE_", "secretRef": {"name": "ledger-db-app"}},
    ]
    again = await make(tmp_path, valuesFile="values.yaml")
    assert again.output["valuesChanged"] is False
    assert values.read_text() == text


@pytest.mark.parametrize("text", ["", "{}", "base-service:\n", "other: 1\n"])
async def test_values_without_the_chart_get_it(text: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(text)
    await make(tmp_path, valuesFile="values.yaml")
    assert parse_document(values.read_text()).value["base-service"]["envFrom"][0]["prefix"] == "DATABASE_"


async def test_only_the_service_connects(tmp_path: Path) -> None:
    await make(tmp_path)
    spec = kinds(tmp_path)["NetworkPolicy"]["spec"]
    assert spec["podSelector"] == {"matchLabels": {"cnpg.io/cluster": "ledger-db"}}
    assert spec["ingress"][0] == {
        "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "ledger"}}}],
        "ports": [{"port": 5432, "protocol": "TCP"}],
    }
    inherited = kinds(tmp_path)["Cluster"]["spec"]["inheritedMetadata"]["labels"]
    assert inherited["app.kubernetes.io/name"] != "ledger"
