"""The chart that services extend: what it renders, what its schema refuses, that its README tells of every value."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError
from understage.integrations.helm import HelmBinary
from understage.sdk.yaml import parse_document, parse_documents

CHART = Path(__file__).parents[3] / "skeletons" / "charts" / "base-service"
IMAGE = {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"}


async def render(helm_binary: Path, tmp_path: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The objects by kind."""
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    text = await HelmBinary(str(helm_binary)).template(CHART, release="ledger", namespace="payments", values=[file])
    return {document.value["kind"]: document.value for document in parse_documents(text) if document.value}


def pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


async def test_the_defaults(helm_binary: Path, tmp_path: Path) -> None:
    objects = await render(helm_binary, tmp_path, {"image": IMAGE})
    assert sorted(objects) == ["Deployment", "NetworkPolicy", "Service", "ServiceAccount"]
    assert objects["Deployment"]["spec"]["replicas"] == 2
    container = pod(objects)["containers"][0]
    assert container["image"] == "registry.example.com/payments/ledger:1.0.0"
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    }
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert objects["Service"]["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    for made in objects.values():
        labels = made["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/instance"] == "ledger"
        assert labels["helm.sh/chart"] == "base-service-1.0.0"
        assert made["metadata"]["namespace"] == "payments"
    selector = objects["Service"]["spec"]["selector"]
    assert selector == objects["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


async def test_pods_pass_pod_security_restricted(helm_binary: Path, tmp_path: Path) -> None:
    spec = pod(await render(helm_binary, tmp_path, {"image": IMAGE}))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


async def test_the_network_policy_lets_in_gateway_monitoring_and_neighbours_only(
    helm_binary: Path, tmp_path: Path
) -> None:
    policy = (await render(helm_binary, tmp_path, {"image": IMAGE}))["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "http"}]
    assert rule["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway-system"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
    ]
    assert [sorted(rule) for rule in policy["egress"]] == [["ports", "to"], ["to"]]


async def test_switches(helm_binary: Path, tmp_path: Path) -> None:
    values = {
        "image": IMAGE,
        "name": "books",
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False, "name": "shared"},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "env": {"DEBUG": True, "WORKERS": 4, "TEMPLATE": "{{ .Values.image }}"},
        "labels": {"team": "payments"},
        "imagePullSecrets": ["pull"],
    }
    objects = await render(helm_binary, tmp_path, values)
    assert sorted(objects) == ["Deployment", "Service", "ServiceMonitor"]
    spec = pod(objects)
    assert (spec["serviceAccountName"], spec["imagePullSecrets"]) == ("shared", [{"name": "pull"}])
    environment = {entry["name"]: entry["value"] for entry in spec["containers"][0]["env"]}
    assert environment == {"PORT": "8080", "DEBUG": "true", "WORKERS": "4", "TEMPLATE": "{{ .Values.image }}"}
    monitor = objects["ServiceMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "books"
    assert all(made["metadata"]["labels"]["team"] == "payments" for made in objects.values())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "/image/repository"),
        ({"image": {**IMAGE, "tag": "latest"}}, "/image/tag"),
        ({"image": {**IMAGE, "tag": 1}}, "/image/tag"),
        ({"image": IMAGE, "replica": 3}, "replica"),
        ({"image": IMAGE, "replicas": "3"}, "/replicas"),
        ({"image": IMAGE, "port": 80}, "/port"),
        ({"image": IMAGE, "health": {"path": "health"}}, "/health/path"),
        ({"image": IMAGE, "resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
        ({"image": IMAGE, "resources": {"limits": {"memory": None}}}, "/resources/limits"),
        ({"image": IMAGE, "env": {"A-B": "x"}}, "A-B"),
        ({"image": IMAGE, "name": "../x"}, "/name"),
    ],
)
async def test_the_schema_refuses(values: dict[str, Any], words: str, helm_binary: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        await render(helm_binary, tmp_path, values)


def test_helm_finds_nothing_to_complain_about(helm_binary: Path) -> None:
    command = [str(helm_binary), "lint", "--strict", str(CHART), "--values", str(CHART / "ci" / "values.yaml")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_changelog_begins_with_the_charts_version() -> None:
    about = parse_document((CHART / "Chart.yaml").read_bytes()).value
    versions = re.findall(r"^## (\S+)", (CHART / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == about["version"]


def paths(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_the_readme_tells_of_every_value() -> None:
    values = parse_document((CHART / "values.yaml").read_bytes()).value
    told: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", (CHART / "README.md").read_text(), re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        told.add(first)
        told |= {first.rpartition(".")[0] + name if name.startswith(".") else name for name in others}
    for path in paths(values):
        assert any(path == known or path.startswith(f"{known}.") for known in told), path


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = parse_document((CHART / "values.yaml").read_bytes()).value

    def compare(part: dict[str, Any], node: dict[str, Any], path: str) -> None:
        if "properties" not in node:
            return
        assert set(node["properties"]) - {"global"} == set(part), path
        assert node["additionalProperties"] is False, path
        for key, inner in node["properties"].items():
            if isinstance(part.get(key), dict):
                compare(part[key], inner, f"{path}.{key}")

    compare(values, schema, "values")
