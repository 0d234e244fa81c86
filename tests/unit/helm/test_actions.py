"""`helm:template`, `lint`, `dependency-update`, `package` and `push`, on the helm of the bench and on a fake."""

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from understage.errors import ConflictError, InputError, NotAllowedError, ServiceUnavailableError
from understage.integrations.helm import HelmBinary, helm_from_config
from understage.sdk import Action
from understage.sdk.testing import ActionResult, FakeHelm, fake_ports, run_action
from understage_actions.helm_dependency_update import dependency_update
from understage_actions.helm_lint import lint
from understage_actions.helm_package import package
from understage_actions.helm_push import push
from understage_actions.helm_template import template

DEPLOYMENT = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  size: {{ .Values.size | quote }}
"""


def chart(folder: Path, *, name: str = "probe", dependencies: Any = ()) -> Path:
    (folder / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": name, "version": "1.0.0", "dependencies": list(dependencies)}
    (folder / "Chart.yaml").write_text(json.dumps(about))
    (folder / "values.yaml").write_text("size: small\n")
    (folder / "templates" / "map.yaml").write_text(DEPLOYMENT)
    return folder


async def run(
    action: Action[Any, Any], workspace: Path, helm: Any, *, dry_run: bool = False, **input: Any
) -> ActionResult:
    return await run_action(action, input, workspace=workspace, ports=fake_ports(helm=helm), dry_run=dry_run)


async def test_manifests_are_rendered_into_a_file(helm_binary: Path, tmp_path: Path) -> None:
    chart(tmp_path / "deploy")
    (tmp_path / "prod.yaml").write_text("size: medium\n")
    step = {"chart": "deploy", "releaseName": "ledger", "namespace": "shop", "valueFiles": ["prod.yaml"]}
    result = await run(template, tmp_path, HelmBinary(str(helm_binary)), **step, targetPath="out/all.yaml")
    assert result.output == {
        "path": "out/all.yaml",
        "objects": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "ledger", "namespace": "shop"}],
    }
    assert 'size: "medium"' in (tmp_path / "out" / "all.yaml").read_text()
    await run(template, tmp_path, HelmBinary(str(helm_binary)), **step, values={"size": "large"}, dry_run=True)
    assert 'size: "large"' in (tmp_path / "manifests.yaml").read_text()


async def test_lint_tells_what_is_wrong(helm_binary: Path, tmp_path: Path) -> None:
    folder = chart(tmp_path / "deploy")
    helm = HelmBinary(str(helm_binary))
    result = await run(lint, tmp_path, helm, chart="deploy")
    assert [each["severity"] for each in result.output["findings"]] == ["INFO"]
    (folder / "templates" / "broken.yaml").write_text("a: {{ .Values.absent.b }}\n")
    with pytest.raises(InputError, match=r"The chart deploy is not right: .*broken\.yaml") as caught:
        await run(lint, tmp_path, helm, chart="deploy")
    assert str(tmp_path) not in caught.value.message
    result = await run(lint, tmp_path, helm, chart="deploy", failOn="never")
    assert "ERROR" in {each["severity"] for each in result.output["findings"]}


async def test_warnings_fail_when_asked(tmp_path: Path) -> None:
    chart(tmp_path / "deploy")
    helm = FakeHelm(available=True, findings=[("WARNING", "chart is deprecated")])
    assert (await run(lint, tmp_path, helm, chart="deploy")).lines[0].level == "warn"
    with pytest.raises(InputError, match="chart is deprecated"):
        await run(lint, tmp_path, helm, chart="deploy", failOn="warning")


async def test_a_chart_of_the_workspace_becomes_a_dependency(helm_binary: Path, tmp_path: Path) -> None:
    chart(tmp_path / "common", name="common")
    chart(tmp_path / "deploy", dependencies=[{"name": "common", "version": "1.0.0", "repository": "file://../common"}])
    result = await run(dependency_update, tmp_path, HelmBinary(str(helm_binary)), chart="deploy")
    assert result.output == {"charts": ["common-1.0.0.tgz"], "lockPath": "deploy/Chart.lock"}


@pytest.mark.parametrize(
    ("repository", "error", "message"),
    [
        ("file://../../outside", NotAllowedError, "leads out of the workspace"),
        ("https://charts.evil.test", NotAllowedError, "understage.helm.repositories"),
        ("https://charts.example.com/a/..%2f..%2fb", NotAllowedError, "understage.helm.repositories"),
        ("https://charts.example.com.evil.test/a", NotAllowedError, "understage.helm.repositories"),
        ("https://u:secret@charts.example.com/a", NotAllowedError, "may not ask https://charts.example.com/a:"),
        ("http://charts.example.com/a", NotAllowedError, "understage.helm.repositories"),
        ("@stable", InputError, "needs the URL of its repository"),
        ("alias:stable", InputError, "needs the URL of its repository"),
    ],
)
async def test_other_repositories_are_refused(
    helm_binary: Path, tmp_path: Path, repository: str, error: type[Exception], message: str
) -> None:
    workspace = tmp_path / "workspace"
    chart(tmp_path / "outside", name="x")
    chart(workspace / "deploy", dependencies=[{"name": "x", "version": "1.0.0", "repository": repository}])
    config = {"helm": {"binary": str(helm_binary), "repositories": [{"url": "https://charts.example.com/a"}]}}
    with pytest.raises(error, match=message) as caught:
        await run(dependency_update, workspace, helm_from_config({"understage": config}), chart="deploy")
    assert "secret" not in caught.value.message  # type: ignore[attr-defined]


async def test_a_dependency_that_reads_over_a_link_is_refused(helm_binary: Path, tmp_path: Path) -> None:
    common = chart(tmp_path / "workspace" / "common", name="common")
    (tmp_path / "host").write_text("s3cret")
    (common / "stolen").symlink_to(tmp_path / "host")
    entry = {"name": "common", "version": "1.0.0", "repository": "file://../common"}
    chart(tmp_path / "workspace" / "deploy", dependencies=[entry])
    with pytest.raises(InputError, match="holds the link stolen"):
        await run(dependency_update, tmp_path / "workspace", HelmBinary(str(helm_binary)), chart="deploy")


async def test_a_chart_is_packed_under_another_version(helm_binary: Path, tmp_path: Path) -> None:
    chart(tmp_path / "deploy")
    helm = HelmBinary(str(helm_binary))
    result = await run(package, tmp_path, helm, chart="deploy", version="1.2.0-rc.1+b7", targetPath="dist")
    assert result.output == {"path": "dist/probe-1.2.0-rc.1+b7.tgz"}
    with tarfile.open(tmp_path / result.output["path"]) as archive:
        assert "probe/templates/map.yaml" in archive.getnames()
    with pytest.raises(InputError, match="version"):
        await run(package, tmp_path, helm, chart="deploy", version="--destination=/tmp")


async def test_a_package_is_pushed_once_and_not_replaced(tmp_path: Path) -> None:
    folder = chart(tmp_path / "deploy", name="base-service")
    helm = FakeHelm(available=True)
    path = (await run(package, tmp_path, helm, chart="deploy")).output["path"]
    step = {"path": path, "repository": "oci://registry.example.com/charts/"}
    planned = await run(push, tmp_path, helm, **step, dry_run=True)
    assert (planned.output["pushed"], planned.output["digest"], helm.published) == (False, None, {})
    first = (await run(push, tmp_path, helm, **step)).output
    assert first["reference"] == "registry.example.com/charts/base-service:1.0.0"
    assert first["pushed"] is True
    again = (await run(push, tmp_path, helm, **step)).output
    assert again == {**first, "pushed": False}

    (folder / "values.yaml").write_text("size: large\n")
    await run(package, tmp_path, helm, chart="deploy")
    with pytest.raises(ConflictError, match=r"there already with another content.*overwrite: true"):
        await run(push, tmp_path, helm, **step)
    assert (await run(push, tmp_path, helm, **step, overwrite=True)).output["digest"] != first["digest"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"no archive", "is no packed chart"), (b"", "is no packed chart")], ids=["text", "empty"]
)
async def test_what_is_no_chart_is_not_pushed(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        await run(
            push, tmp_path, FakeHelm(available=True), path="x.tgz", repository="oci://registry.example.com/charts"
        )


async def test_a_bomb_is_not_read_to_its_end(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x/huge")
    entry.size = 2**40
    (tmp_path / "x.tgz").write_bytes(gzip.compress(entry.tobuf()))
    with pytest.raises(InputError, match="larger than the"):
        await run(
            push, tmp_path, FakeHelm(available=True), path="x.tgz", repository="oci://registry.example.com/charts"
        )


async def test_paths_stay_in_the_workspace(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    chart(workspace / "deploy")
    helm = FakeHelm(available=True)
    rendered = FakeHelm(available=True, render=lambda *_: "kind: Pod\n")
    with pytest.raises(NotAllowedError):
        await run(template, workspace, rendered, chart="deploy", targetPath="../out.yaml")
    with pytest.raises(NotAllowedError):
        await run(package, workspace, helm, chart="deploy", targetPath="..")
    with pytest.raises(NotAllowedError):
        await run(push, workspace, helm, path="../x.tgz", repository="oci://registry.example.com/charts")
    with pytest.raises(NotAllowedError):
        await run(lint, workspace, helm, chart="../deploy")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


async def test_without_helm_the_step_says_what_to_install(tmp_path: Path) -> None:
    chart(tmp_path / "deploy")
    with pytest.raises(ServiceUnavailableError, match=r"understage\.helm\.binary"):
        await run(lint, tmp_path, HelmBinary(str(tmp_path / "none")), chart="deploy")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, r"repositories\[0\] needs a url"),
        ({"url": "ftp://x"}, r"repositories\[0\].url must be"),
        ({"url": "https://u:p@x"}, r"repositories\[0\].url must be"),
        ({"url": "oci://x", "username": "u"}, r"repositories\[0\] needs both"),
    ],
)
def test_repositories_are_checked_at_start(entry: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        helm_from_config({"understage": {"helm": {"repositories": [entry]}}})
