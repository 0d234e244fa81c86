"""`service:adopt`: what it reads, what it writes, what it asks of the port, when it fails."""

from pathlib import Path

import pytest
from tests.unit.skeletons.golden_path import DEFAULTS, GUARDRAILS

from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.helm import HelmBinary
from understage.sdk import AdoptionProposal
from understage.sdk.testing import (
    ActionResult,
    FakeAdoption,
    FakeForge,
    FakeForges,
    fake_ports,
    run_action,
)
from understage_actions.service_adopt import adopt

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example.com/web:1", ports: [{containerPort: 8080}]}]}
"""
STATEFUL = MANIFESTS.replace("Deployment", "StatefulSet")
INPUT = {"owner": "group:default/shop", "environment": "production", "pods": "as-is"}


async def run(workspace: Path, helm_binary: Path, *, dry_run: bool = False, **input: object) -> ActionResult:
    ports = fake_ports(adoption=ServiceAdoption(HelmBinary(str(helm_binary)), GUARDRAILS))
    return await run_action(
        adopt, {**INPUT, **input}, workspace=workspace, ports=ports, dry_run=dry_run, defaults=DEFAULTS
    )


async def test_a_folder_of_the_workspace_becomes_a_proposal(tmp_path: Path, helm_binary: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "web.yaml").write_text(MANIFESTS)
    done = await run(tmp_path, helm_binary, sourcePath="repository", path="web.yaml")
    (service,) = done.output["services"]
    assert (service["application"], service["namespace"], service["path"]) == ("web-production", "shop", "deploy")
    assert service["keepsPods"] is True
    assert service["harmful"] == 0
    assert service["violations"] > 0, "as it is, it has no limits"
    written = sorted(path.relative_to(tmp_path / "adoption").as_posix() for path in tmp_path.glob("adoption/**/*.*"))
    assert set(done.output["files"]) <= {*written, "deploy/charts/base-service/.helmignore"}
    assert {"catalog-info.yaml", "deploy/values.yaml", "deploy/environments/production.yaml"} <= set(written)
    assert done.output["report"].startswith("# Adoption")
    assert done.output["summary"].startswith("| Service |")
    assert "## web" not in done.output["summary"]


async def test_a_dry_run_proposes_the_same(tmp_path: Path, helm_binary: Path) -> None:
    results = []
    for name, dry_run in (("plan", True), ("run", False)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.yaml").write_text(MANIFESTS)
        done = await run(tmp_path / name, helm_binary, dry_run=dry_run)
        files = {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        results.append((done.output, files))
    assert results[0] == results[1]


async def test_what_cannot_be_adopted_fails_with_its_way_and_writes_nothing(tmp_path: Path, helm_binary: Path) -> None:
    (tmp_path / "db.yaml").write_text(STATEFUL)
    with pytest.raises(
        InputError, match=r"Nothing here can be adopted: StatefulSet/web is not adopted: .*new-database"
    ):
        await run(tmp_path, helm_binary)
    assert [path.name for path in tmp_path.iterdir()] == ["db.yaml"]


async def test_a_repository_is_cloned_from_its_forge(tmp_path: Path) -> None:
    forge = FakeForge()
    service = {
        "name": "web",
        "namespace": "shop",
        "release": "web-production",
        "folder": "deploy",
        "equal": True,
        "keepsPods": True,
        "differences": [],
        "violations": [],
    }
    adoption = FakeAdoption(AdoptionProposal({"deploy/values.yaml": "a: 1\n"}, "# Adoption\n\n## web\n", [service], []))
    ports = fake_ports(forges=FakeForges([forge]), adoption=adoption)
    repository = await forge.create_repository("shop", "web")
    forge.repositories["shop/web"].branches["main"] = {"web.yaml": MANIFESTS.encode()}
    given = {**INPUT, "repository": {"host": "forge.test", "owner": "shop", "name": "web"}, "gateway": "edge/public"}
    done = await run_action(adopt, given, workspace=tmp_path, ports=ports, defaults=DEFAULTS)
    (asked,) = adoption.asked
    assert (asked.team, asked.gateway, asked.as_is) == ("shop", ("edge", "public"), True)
    assert done.output["repoUrl"] == repository.clone_url
    assert (tmp_path / "adoption" / "deploy" / "values.yaml").read_text() == "a: 1\n"
    missing = {**given, "repository": {"owner": "shop", "name": "none"}}
    with pytest.raises(NotFoundError, match=r"There is no repository shop/none on forge\.test"):
        await run_action(adopt, missing, workspace=tmp_path, ports=ports, defaults=DEFAULTS)


@pytest.mark.parametrize(
    ("input", "error", "message"),
    [
        ({"owner": "user:default/me"}, InputError, "choose a group"),
        ({"environment": "Production!"}, InputError, "environment"),
        ({"environment": "e" * 31}, InputError, "has more than 30 characters"),
        ({"namespace": "a/b"}, InputError, "namespace"),
        ({"gateway": "public"}, InputError, "gateway"),
        ({"path": "../outside.yaml"}, InputError, "leads out of the repository"),
        ({"target": "../../deploy"}, InputError, "must be a folder of the repository"),
        ({"sourcePath": "../other"}, NotAllowedError, "outside"),
        ({"targetPath": "../other"}, NotAllowedError, "outside"),
        ({"valueFiles": ["../v.yaml"], "path": "packaged"}, InputError, "leads out of the repository"),
    ],
)
async def test_bad_input_is_refused(
    tmp_path: Path, helm_binary: Path, input: dict[str, object], error: type[Exception], message: str
) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "packaged").mkdir(parents=True)
    (workspace / "packaged" / "Chart.yaml").write_text("apiVersion: v2\nname: a\nversion: 1.0.0\n")
    (workspace / "web.yaml").write_text(MANIFESTS)
    with pytest.raises(error, match=message):
        await run(workspace, helm_binary, **input)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]
