"""`helm:render-values`: layers, the schema's words, the file that is written, the manifests."""

import json
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from understage.errors import InputError, NotAllowedError
from understage.integrations.helm import HelmBinary
from understage.sdk.testing import ActionResult, FakeHelm, fake_ports, run_action
from understage.sdk.yaml import parse_document, parse_documents
from understage_actions.helm_render_values import render_values

CHARTS = Path(__file__).parents[3] / "skeletons" / "charts"
IMAGE = {"image": {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"}}


async def render(workspace: Path, *, helm: Any = None, dry_run: bool = False, **input: Any) -> ActionResult:
    return await run_action(
        render_values,
        {"chart": "base-service", **input},
        workspace=workspace,
        ports=fake_ports(helm=helm or FakeHelm()),
        defaults={"chartsDirectory": str(CHARTS)},
        dry_run=dry_run,
    )


def write_chart(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def wrapper(workspace: Path, values: dict[str, Any] | None = None) -> None:
    """A service's chart in the workspace that depends on base-service."""
    chart = {"name": "ledger", "version": "0.1.0", "dependencies": [{"name": "base-service", "version": "1.2.0"}]}
    write_chart(workspace / "deploy", {"Chart.yaml": chart, "values.yaml": values or {"base-service": IMAGE}})
    source = CHARTS / "base-service"
    for path in source.rglob("*"):
        if path.is_file():
            copy = workspace / "deploy" / "charts" / "base-service" / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


@pytest.mark.parametrize("example", render_values.examples, ids=lambda example: example.description)
async def test_examples_run(example: Any, tmp_path: Path) -> None:
    input = json.loads(json.dumps(example.input))
    input.setdefault("values", {}).setdefault("image", {"tag": "1.0.0"}).setdefault("tag", "1.0.0")
    result = await render(tmp_path, **input)
    assert (tmp_path / result.output["path"]).is_file()


async def test_layers_are_merged_and_each_value_knows_its_layer(tmp_path: Path) -> None:
    result = await render(
        tmp_path,
        baseValues={**IMAGE, "replicas": 2, "env": {"A": "1", "B": "1"}, "labels": {"app.example.com/tier": "back"}},
        environment="production",
        overlays={"development": None, "production": {"replicas": 5, "env": {"B": "2"}}},
        values={"env": {"C": "3"}, "service": {"port": 8000}},
        targetPath="deploy/production.yaml",
    )
    assert result.output["sources"] == snapshot(
        {
            "env.A": "base values",
            "env.B": "overlay production",
            "env.C": "inline values",
            "image.repository": "base values",
            "image.tag": "base values",
            'labels["app.example.com/tier"]': "base values",
            "replicas": "overlay production",
            "service.port": "inline values",
        }
    )
    assert (tmp_path / "deploy/production.yaml").read_text() == snapshot("""\
# Values for chart base-service 1.4.0 in environment production.
# Written by helm:render-values from base values, overlay production, inline values; checked by the chart's schema.
# What is not set here has the default of the chart's values.yaml.
env:
  A: '1'
  B: '2'
  C: '3'
image:
  repository: registry.example.com/payments/ledger
  tag: 1.0.0
labels:
  app.example.com/tier: back
replicas: 5
service:
  port: 8000
""")
    assert result.output["chart"] == {"name": "base-service", "version": "1.4.0"}
    assert "  replicas: overlay production" in result.log


async def test_the_same_input_in_another_order_gives_the_same_file(tmp_path: Path) -> None:
    values = {"service": {"port": 8000}, **IMAGE, "env": {"B": "2", "A": "1"}}
    await render(tmp_path, values=values, targetPath="one.yaml")
    turned = {key: dict(reversed(value.items())) for key, value in reversed(values.items())}
    await render(tmp_path, values=turned, targetPath="two.yaml")
    assert (tmp_path / "one.yaml").read_bytes() == (tmp_path / "two.yaml").read_bytes()


async def test_a_null_deletes(tmp_path: Path) -> None:
    result = await render(
        tmp_path,
        baseValues={**IMAGE, "env": {"A": "1", "B": "1"}},
        values={"env": {"A": None}, "resources": {"limits": {"cpu": None}}},
    )
    # a null over a lower layer is gone; a null over a default of the chart stays, for Helm to delete it
    assert result.output["values"]["env"] == {"B": "1"}
    assert result.output["values"]["resources"] == {"limits": {"cpu": None}}
    assert result.output["sources"]["resources.limits.cpu"] == "inline values"
    assert "env.A" not in result.output["sources"]


async def test_a_null_may_not_delete_what_the_chart_requires(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'resources.limits: "memory" is a required property \(set by inline values\)'):
        await render(tmp_path, baseValues=IMAGE, values={"resources": {"limits": {"memory": None}}})


async def test_values_may_stand_in_files_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "image: {repository: registry.example.com/a/b, tag: 1.0.0}\nenv: {ANSWER: on}\n"
    )
    (tmp_path / "prod.yaml").write_text("replicas: 3\n")
    result = await render(tmp_path, baseValues="base.yaml", environment="prod", overlays={"prod": "prod.yaml"})
    assert result.output["values"]["replicas"] == 3
    assert result.output["values"]["env"] == {"ANSWER": "on"}
    assert "'on'" in (tmp_path / "values.yaml").read_text()


async def test_a_wrapping_chart_is_checked_by_the_schema_of_its_dependency(tmp_path: Path) -> None:
    wrapper(tmp_path)
    result = await render(tmp_path, chart="deploy", values={"base-service": {"replicas": 3}}, targetPath="v.yaml")
    assert result.output["values"] == {"base-service": {"replicas": 3}}
    with pytest.raises(InputError) as caught:
        await render(
            tmp_path,
            chart="deploy",
            environment="staging",
            overlays={"staging": {"base-service": {"replica": 3, "env": {"A-B": "1"}}}},
            values={"base-service": {"port": "http", "image": {"tag": "latest"}}, "base-servce": {}},
        )
    assert caught.value.message == snapshot("""\
The values do not fit the chart ledger 0.1.0:
base-servce: unknown key, set by inline values; did you mean base-service?
base-service.env: "A-B" does not match "^[A-Za-z_][A-Za-z0-9_]*$" (set by overlay staging)
base-service.image.tag: {"const":"latest"} is not allowed for "latest" (set by inline values)
base-service.port: "http" is not of type "integer" (set by inline values)
base-service.replica: unknown key, set by overlay staging; did you mean replicas?\
""")
    assert not (tmp_path / "values.yaml").exists()


async def test_a_value_that_was_wrong_in_the_chart_itself_says_so(tmp_path: Path) -> None:
    wrapper(tmp_path, {"base-service": {**IMAGE, "replicas": "two"}})
    with pytest.raises(
        InputError, match=r'base-service.replicas: "two" is not of type "integer" \(set by chart defaults\)'
    ):
        await render(tmp_path, chart="deploy")


async def test_aliases_and_conditions_of_dependencies_are_followed(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"size": {"type": "integer"}, "global": {}},
    }
    dependency = {"name": "cache", "version": "1", "alias": "sessions", "condition": "sessions-on"}
    about = {"name": "shop", "version": "1", "dependencies": [dependency]}
    write_chart(
        tmp_path / "shop",
        {
            "Chart.yaml": about,
            "values.yaml": {"sessions-on": True},
            "charts/cache/Chart.yaml": {"name": "cache", "version": "1"},
            "charts/cache/values.schema.json": schema,
        },
    )
    with pytest.raises(InputError, match=r'sessions.size: "big" is not of type "integer"'):
        await render(tmp_path, chart="shop", values={"sessions": {"size": "big"}})
    await render(tmp_path, chart="shop", values={"sessions": {"size": "big"}, "sessions-on": False})


async def test_user_text_stays_one_value(tmp_path: Path) -> None:
    evil = 'x"\nreplicas: 99\n# {{ .Values }} ${{ secrets.TOKEN }}: [*anchor, !!python/object]'
    await render(tmp_path, values={**IMAGE, "env": {"EVIL": evil}})
    value = parse_document((tmp_path / "values.yaml").read_text()).value
    assert value == {**IMAGE, "env": {"EVIL": evil}}


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({"chart": "no-such"}, r"No chart 'no-such': .* the charts of the platform are .*base-service"),
        (
            {"environment": "prod", "overlays": {"production": None}},
            r"No overlay for environment 'prod': there are production",
        ),
        ({"environment": "a\nb"}, r"environment"),
        ({"baseValues": "absent.yaml"}, r"baseValues: the workspace has no file absent.yaml"),
        ({"baseValues": "list.yaml"}, r"list.yaml:1:1: a values file must be a map"),
        ({"values": {"imagePullSecrets": [1]}}, r"imagePullSecrets\[0\]: 1 is not of type \"string\""),
    ],
)
async def test_bad_input_says_what_is_wrong(input: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=message):
        await render(tmp_path, **{"values": IMAGE, **input})


@pytest.mark.parametrize("path", ["../values.yaml", "/etc/values.yaml", "link/values.yaml"])
async def test_files_stay_in_the_workspace(path: str, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    for input in ({"targetPath": path}, {"baseValues": path}, {"chart": path}):
        with pytest.raises((NotAllowedError, InputError)):
            await render(workspace, **{"values": IMAGE, **input})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Chart.yaml": {"name": "x"}}, "version is missing"),
        ({"Chart.yaml": "name: x\nname: y\n"}, "a second time"),
        ({"values.schema.json": "{"}, "is not JSON"),
        ({"values.schema.json": {"type": "thing"}}, "cannot be used"),
        ({"values.schema.json": {"$ref": "file:///etc/passwd"}}, "may refer to themselves only"),
        ({"values.schema.json": {"$ref": "http://127.0.0.1:1/x.json"}}, "may refer to themselves only"),
        (
            {"Chart.yaml": {"name": "x", "version": "1", "dependencies": [{"name": "y", "version": "2"}]}},
            "depends on y 2, which is not under charts/y",
        ),
    ],
)
async def test_a_broken_chart_names_the_file(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_chart(tmp_path / "x", {"Chart.yaml": {"name": "x", "version": "1"}, **files})
    with pytest.raises(InputError, match=message):
        await render(tmp_path, chart="x")


async def test_without_a_schema_the_log_warns(tmp_path: Path) -> None:
    write_chart(tmp_path / "x", {"Chart.yaml": {"name": "x", "version": "1"}})
    result = await render(tmp_path, chart="x", values={"anything": 1})
    assert any("no values.schema.json" in line.text for line in result.lines if line.level == "warn")


async def test_without_helm_the_manifests_are_left_out_and_the_log_says_so(tmp_path: Path) -> None:
    result = await render(tmp_path, values=IMAGE, manifestsPath="manifests.yaml")
    assert result.output["manifestsPath"] is None
    assert any("Helm is not installed" in line for line in result.log)
    assert not (tmp_path / "manifests.yaml").exists()


@pytest.mark.parametrize("dry_run", [False, True])
async def test_with_helm_the_manifests_are_rendered(dry_run: bool, helm_binary: Path, tmp_path: Path) -> None:
    wrapper(tmp_path)
    result = await render(
        tmp_path,
        helm=HelmBinary(str(helm_binary)),
        dry_run=dry_run,
        chart="deploy",
        values={"base-service": {"replicas": 3, "resources": {"limits": {"cpu": None}}}},
        manifestsPath="manifests.yaml",
        releaseName="ledger-production",
        namespace="ledger-production",
    )
    assert result.output["manifestsPath"] == "manifests.yaml"
    documents = parse_documents((tmp_path / "manifests.yaml").read_text())
    by_kind = {document.value["kind"]: document.value for document in documents if document.value}
    assert sorted(by_kind) == ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
    deployment = by_kind["Deployment"]
    assert (deployment["metadata"]["name"], deployment["metadata"]["namespace"]) == ("ledger-production",) * 2
    assert deployment["spec"]["replicas"] == 3
    limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": "512Mi"}


async def test_our_merge_is_helms_merge(helm_binary: Path, tmp_path: Path) -> None:
    """What the templates see, for the file we write, equals what they see for Helm's own merge of the layers."""
    defaults = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": "text", "d": {"deep": {"er": True}}, "sub": {"p": 1}}
    layers = [
        {"a": {"x": None, "z": 3}, "b": [3], "new": {"k": None}, "sub": {"p": None, "q": 2}},
        {
            "a": {"y": {"now": "a map"}},
            "c": None,
            "d": {"deep": {"er": False, "est": 1}},
            "only": None,
            "sub": {"r": {}},
        },
        {"a": {"z": None}, "d": {"deep": {"est": None}}, "sub": {"global-ish": 1}},
    ]
    dump = '{{ dict "v" (omit .Values "sub") | toJson | quote }}'
    write_chart(
        tmp_path / "probe",
        {
            "Chart.yaml": {"apiVersion": "v2", "name": "probe", "version": "1.0.0"},
            "values.yaml": defaults,
            "templates/seen.yaml": f"seen: {dump}\n",
            "charts/sub/Chart.yaml": {"apiVersion": "v2", "name": "sub", "version": "1.0.0"},
            "charts/sub/values.yaml": {"p": 0, "q": 0, "own": True},
            "charts/sub/templates/seen.yaml": 'sub: {{ omit .Values "global" | toJson | quote }}\n',
        },
    )
    helm = HelmBinary(str(helm_binary))

    async def seen(*values: Path) -> list[Any]:
        text = await helm.template(tmp_path / "probe", release="r", namespace="n", values=values)
        return [json.loads(value) for document in parse_documents(text) for value in (document.value or {}).values()]

    files = []
    for index, layer in enumerate(layers):
        files.append(tmp_path / f"{index}.json")
        files[-1].write_text(json.dumps(layer))
    await render(
        tmp_path,
        chart="probe",
        baseValues=layers[0],
        environment="e",
        overlays={"e": layers[1]},
        values=layers[2],
        targetPath="merged.yaml",
    )
    expected, actual = await seen(*files), await seen(tmp_path / "merged.yaml")
    assert without_nulls(actual) == without_nulls(expected)


def without_nulls(value: Any) -> Any:
    """Helm keeps a null of a layer that deletes nothing; no template can tell it from an absent key but by `hasKey`."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
