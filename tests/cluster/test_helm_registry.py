"""Packing, pushing and depending on charts: the real helm, and Gitea's registries over real HTTP."""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Gitea

from understage.errors import ConflictError, InputError, NotAllowedError
from understage.integrations.helm import HelmBinary, helm_from_config
from understage.sdk import Action
from understage.sdk.testing import ActionResult, fake_ports, run_action
from understage.sdk.yaml import parse_document, parse_documents
from understage_actions.helm_dependency_update import dependency_update
from understage_actions.helm_package import package
from understage_actions.helm_push import push

ORGANIZATION = "chart-push"
ROOT = Path(__file__).parents[2]
CHART = ROOT / "skeletons" / "charts" / "base-service"


def connect(binary: Path, gitea: Gitea, **changes: Any) -> HelmBinary:
    account = {"username": gitea.username, "password": gitea.password, **changes}
    return helm_from_config(
        {
            "understage": {
                "helm": {
                    "binary": str(binary),
                    "repositories": [
                        {"url": f"oci://{gitea.host}/{ORGANIZATION}", "plainHttp": True, **account},
                        {"url": f"{gitea.url}/api/packages/{ORGANIZATION}/helm", **account},
                    ],
                }
            }
        }
    )


def chart(folder: Path, name: str, **about: Any) -> None:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": name, "version": "1.0.0", **about}))
    (folder / "templates" / "map.yaml").write_text("kind: ConfigMap\n")


async def run(
    action: Action[Any, Any], workspace: Path, helm: HelmBinary, *, dry_run: bool = False, **input: Any
) -> ActionResult:
    return await run_action(action, input, workspace=workspace, ports=fake_ports(helm=helm), dry_run=dry_run)


async def test_a_chart_is_pushed_once_and_others_depend_on_it(helm_binary: Path, gitea: Gitea, tmp_path: Path) -> None:
    gitea.create_organization(ORGANIZATION)
    helm = connect(helm_binary, gitea)
    chart(tmp_path / "common", "common")
    made = (await run(package, tmp_path, helm, chart="common", targetPath="dist")).output
    step = {"path": made["path"], "repository": f"oci://{gitea.host}/{ORGANIZATION}"}

    planned = (await run(push, tmp_path, helm, **step, dry_run=True)).output
    assert (planned["pushed"], planned["digest"]) == (False, None)
    assert gitea.request("GET", f"/packages/{ORGANIZATION}").json() == []
    first = (await run(push, tmp_path, helm, **step)).output
    assert first["reference"] == f"{gitea.host}/{ORGANIZATION}/common:1.0.0"
    assert first["digest"].startswith("sha256:")
    kept = gitea.request("GET", f"/packages/{ORGANIZATION}").json()
    assert "1.0.0" in {each["version"] for each in kept if each["name"] == "common"}
    assert (await run(push, tmp_path, helm, **step)).output == {**first, "pushed": False}

    (tmp_path / "common" / "templates" / "more.yaml").write_text("kind: Secret\n")
    await run(package, tmp_path, helm, chart="common", targetPath="dist")
    with pytest.raises(ConflictError, match="there already with another content"):
        await run(push, tmp_path, helm, **step)
    replaced = (await run(push, tmp_path, helm, **step, overwrite=True)).output
    assert replaced["digest"] != first["digest"]

    entry = {"name": "common", "version": "^1.0.0", "repository": step["repository"]}
    chart(tmp_path / "deploy", "ledger", dependencies=[entry])
    result = await run(dependency_update, tmp_path, helm, chart="deploy")
    assert result.output == {"charts": ["common-1.0.0.tgz"], "lockPath": "deploy/Chart.lock"}


async def test_a_repository_with_an_index_is_asked_with_its_credentials(
    helm_binary: Path, gitea: Gitea, tmp_path: Path
) -> None:
    gitea.request("POST", "/orgs", json={"username": ORGANIZATION, "visibility": "private"})
    helm = connect(helm_binary, gitea)
    chart(tmp_path / "shared", "shared")
    made = (await run(package, tmp_path, helm, chart="shared")).output
    uploaded = gitea.http.post(
        f"{gitea.url}/api/packages/{ORGANIZATION}/helm/api/charts",
        content=(tmp_path / made["path"]).read_bytes(),
        auth=(gitea.username, gitea.password),
    )
    assert uploaded.status_code == 201, uploaded.text
    entry = {"name": "shared", "version": "~1.0", "repository": f"{gitea.url}/api/packages/{ORGANIZATION}/helm"}
    chart(tmp_path / "deploy", "ledger", dependencies=[entry])
    result = await run(dependency_update, tmp_path, helm, chart="deploy")
    assert result.output["charts"] == ["shared-1.0.0.tgz"]


async def test_refusals_of_a_registry_are_readable(helm_binary: Path, gitea: Gitea, tmp_path: Path) -> None:
    chart(tmp_path / "common", "refused")
    made = (await run(package, tmp_path, connect(helm_binary, gitea), chart="common")).output
    step = {"path": made["path"], "repository": f"oci://{gitea.host}/{ORGANIZATION}"}
    with pytest.raises(InputError, match=r"Helm .*unauthorized|Helm .*401") as caught:
        await run(push, tmp_path, connect(helm_binary, gitea, password="wr0ng-password"), **step)
    assert "wr0ng-password" not in caught.value.message
    for other in (f"oci://{gitea.host}/elsewhere", f"oci://{gitea.host}/{ORGANIZATION}/../elsewhere"):
        with pytest.raises(NotAllowedError, match=r"understage\.helm\.repositories"):
            await run(push, tmp_path, connect(helm_binary, gitea), path=made["path"], repository=other)


def make_chart(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "--no-print-directory", "chart", f"CONFIG={config}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PASSWORD_OF_THE_REGISTRY": "unused"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.timeout(400)
async def test_the_platforms_chart_is_published_and_a_service_renders_with_it(
    helm_binary: Path, gitea: Gitea, tmp_path: Path
) -> None:
    gitea.create_organization("platform-charts")
    registry = f"oci://{gitea.host}/platform-charts"
    entry = {"url": registry, "plainHttp": True, "username": gitea.username, "password": gitea.password}
    own = {"helm": {"binary": str(helm_binary), "repositories": [entry]}, "dataDirectory": str(tmp_path / "data")}
    database = {"client": "better-sqlite3", "connection": {"directory": str(tmp_path / "data")}}
    config = tmp_path / "app-config.yaml"
    config.write_text(
        json.dumps({"backend": {"baseUrl": "http://localhost:7007", "database": database}, "understage": own})
    )
    done = make_chart(config, f"REGISTRY={registry}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gitea.password not in done.stdout + done.stderr
    version = parse_document((CHART / "Chart.yaml").read_bytes()).value["version"]
    assert f"{gitea.host}/platform-charts/base-service:{version}" in done.stdout
    with tarfile.open(ROOT / "dist" / f"base-service-{version}.tgz") as packed:
        changes = packed.extractfile("base-service/CHANGELOG.md")
        assert changes is not None
        assert f"## {version}" in changes.read().decode()
    again = make_chart(config, f"REGISTRY={registry}")
    assert again.returncode == 0, again.stdout + again.stderr

    helm = helm_from_config({"understage": own})
    chart(
        tmp_path / "deploy",
        "ledger",
        dependencies=[{"name": "base-service", "version": version, "repository": registry}],
    )
    values = {"base-service": {"image": {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"}}}
    (tmp_path / "deploy" / "values.yaml").write_text(json.dumps(values))
    await run(dependency_update, tmp_path, helm, chart="deploy")
    rendered = await helm.template(
        tmp_path / "deploy", release="ledger", namespace="payments", values=[tmp_path / "deploy" / "values.yaml"]
    )
    kinds = {document.value["kind"] for document in parse_documents(rendered, "rendered") if document.value}
    assert {"Deployment", "Service", "ServiceAccount"} <= kinds
