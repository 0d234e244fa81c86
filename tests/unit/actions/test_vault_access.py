"""`vault:access`: which paths which namespace reads, what is refused. tests/cluster/test_vault.py asks a real server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError, NotFoundError
from understage.sdk.testing import run_action
from understage.sdk.yaml import dump
from understage_actions.vault_access import render_access

VAULT = {"server": "https://vault.example.com:8200", "path": "kv/teams", "authMountPath": "kubernetes/west"}
TEMPLATE = "{{identity.entity.aliases.${accessor}.metadata.service_account_namespace}}"


def namespace(name: str, environment: str, team: str = "payments") -> dict[str, Any]:
    labels = {"team": team, "environment": environment}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def application(service: str, place: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": place, "labels": {"app.kubernetes.io/name": service}},
        "spec": {"destination": {"namespace": place}},
    }


def write(root: Path, files: dict[str, dict[str, Any]], team: str = "payments") -> None:
    for name, content in files.items():
        file = root / "infrastructure" / "teams" / team / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dump(content))


async def access(root: Path, **input: Any) -> dict[str, Any]:
    result = await run_action(render_access, input, workspace=root, defaults={"vault": VAULT})
    return {**result.output, "by": {item["name"]: item for item in result.output["access"]}}


async def test_a_namespace_reads_the_paths_of_its_services(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "namespace.yaml": namespace("payments", "development"),
            "namespaces/ledger-production.yaml": namespace("ledger-production", "production"),
            "namespaces/old.yaml": namespace("old", "production"),
            "applications/purse-production.yaml": application("purse", "old"),
            "applications/coins-production.yaml": application("coins", "old"),
        },
    )
    write(tmp_path, {"namespaces/shop-staging.yaml": namespace("shop-staging", "staging", "sellers")}, "sellers")
    made = await access(tmp_path)
    read = '{ capabilities = ["read"] }\n'
    assert {name: item["policy"] for name, item in made["by"].items()} == {
        "payments": f'path "kv/teams/data/teams/payments/development/shared" {read}',
        "ledger-production": f'path "kv/teams/data/teams/payments/production/ledger" {read}',
        "old": f'path "kv/teams/data/teams/payments/production/coins" {read}'
        f'path "kv/teams/data/teams/payments/production/purse" {read}',
        "payments.clones": f'path "kv/teams/data/teams/payments/clones/{TEMPLATE}/*" {read}',
        "shop-staging": f'path "kv/teams/data/teams/sellers/staging/shop" {read}',
        "sellers.clones": f'path "kv/teams/data/teams/sellers/clones/{TEMPLATE}/*" {read}',
    }
    role = made["by"]["ledger-production"]["role"]
    assert role == {
        "bound_service_account_names": ["vault"],
        "bound_service_account_namespaces": ["ledger-production"],
        "token_policies": ["ledger-production"],
        "token_ttl": "15m",
    }
    clones = made["by"]["sellers.clones"]["role"]
    assert "bound_service_account_namespaces" not in clones
    assert json.loads(clones["bound_service_account_namespace_selector"]) == {"matchLabels": {"team": "sellers"}}
    assert "sys/auth/kubernetes/west)" in made["script"]
    assert "vault write auth/kubernetes/west/role/sellers.clones -" in made["script"]
    assert made["file"] is None
    one = await access(tmp_path, team="group:default/sellers", targetPath="out/access.sh")
    assert one["by"].keys() == {"shop-staging", "sellers.clones"}
    assert (tmp_path / "out" / "access.sh").read_text() == one["script"]


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (namespace("ledger-production", "production", "sellers"), "has not the label team=payments"),
        (namespace("ledger", "production"), "ledger is of no service"),
        (namespace("$(id)-production", "production"), "namespace '.*' is not allowed"),
        (namespace("ledger-production", '"] } path "*'), "label environment"),
        ({"kind": "Namespace", "metadata": {"name": "x"}}, "has not the label"),
    ],
)
async def test_what_is_not_the_teams_or_hostile_is_refused(
    manifest: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write(tmp_path, {"namespaces/x.yaml": manifest})
    with pytest.raises(InputError, match=words):
        await access(tmp_path, targetPath="access.sh")
    assert not (tmp_path / "access.sh").exists()


async def test_a_service_with_a_hostile_name_is_refused(tmp_path: Path) -> None:
    files = {
        "namespaces/old.yaml": namespace("old", "production"),
        "applications/x.yaml": application("../../others/production/shop", "old"),
    }
    write(tmp_path, files)
    with pytest.raises(InputError, match="service in old"):
        await access(tmp_path)


async def test_no_repository_no_team_no_vault(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is it the GitOps repository"):
        await access(tmp_path)
    with pytest.raises(NotFoundError, match="no folder infrastructure/teams/payments"):
        await access(tmp_path, team="payments")
    with pytest.raises(InputError, match=r"understage\.vault"):
        await run_action(render_access, {}, workspace=tmp_path)


def test_the_command_prints_the_script_and_writes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "gitops"
    write(root, {"namespaces/ledger-production.yaml": namespace("ledger-production", "production")})
    (tmp_path / "app.yaml").write_text(dump({"understage": {"vault": VAULT}}))
    command = [str(Path(sys.executable).with_name("understage")), "vault", "access", str(root), "--config", "app.yaml"]
    before = sorted(root.rglob("*"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=140)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n"], input=done.stdout, text=True, check=True).returncode == 0
    assert sorted(root.rglob("*")) == before


def test_the_command_tells_programs_too(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(dump({"understage": {"vault": VAULT}}))
    write(tmp_path, {"namespaces/ledger-production.yaml": namespace("ledger-production", "production")})
    command = [str(Path(sys.executable).with_name("understage")), "vault", "access", "--config", "app.yaml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=140)
    told = json.loads(done.stdout)["output"]
    assert [item["name"] for item in told["access"]] == ["ledger-production", "payments.clones"]
    assert told["script"].startswith("#!/bin/sh\n")
    refused = subprocess.run(
        [*command[:-1], "--team", "nobody"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=140
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no folder infrastructure/teams/nobody" in refused.stderr
