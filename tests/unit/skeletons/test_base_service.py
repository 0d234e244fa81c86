"""The chart that services extend: what it renders, what its schema refuses, that its schema knows every value."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from understage.errors import InputError
from understage.integrations.helm import HelmBinary
from understage.sdk.yaml import parse_document, parse_documents
from understage_actions._vault_manifests import AS_IT_IS, STORE, secret_target

CHART = Path(__file__).parents[3] / "skeletons" / "charts" / "base-service"
IMAGE = {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"}


async def render_all(
    helm_binary: Path, folder: Path, values: dict[str, Any], namespace: str = "payments"
) -> list[dict[str, Any]]:
    """The objects of a release `ledger`."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    text = await HelmBinary(str(helm_binary)).template(CHART, release="ledger", namespace=namespace, values=[file])
    return [document.value for document in parse_documents(text) if document.value]


async def render(helm_binary: Path, tmp_path: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The objects by kind."""
    return {made["kind"]: made for made in await render_all(helm_binary, tmp_path, values)}


def pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


async def test_the_defaults(helm_binary: Path, tmp_path: Path) -> None:
    objects = await render(helm_binary, tmp_path, {"image": IMAGE})
    assert sorted(objects) == ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
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
        assert labels["helm.sh/chart"] == "base-service-1.4.0"
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
        "disruptionBudget": {"enabled": False},
        "topologySpread": {"enabled": False},
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
    assert "topologySpreadConstraints" not in spec
    environment = {entry["name"]: entry["value"] for entry in spec["containers"][0]["env"]}
    assert environment == {"PORT": "8080", "DEBUG": "true", "WORKERS": "4", "TEMPLATE": "{{ .Values.image }}"}
    monitor = objects["ServiceMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "books"
    assert all(made["metadata"]["labels"]["team"] == "payments" for made in objects.values())


async def test_probes_differ_in_patience_and_may_differ_in_path(helm_binary: Path, tmp_path: Path) -> None:
    probes = {"readiness": {"path": "/ready", "periodSeconds": 1}, "liveness": {"failureThreshold": 9}}
    container = pod(await render(helm_binary, tmp_path, {"image": IMAGE, "probes": probes}))["containers"][0]
    asked = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert asked == {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/health"}
    patience = [container[f"{name}Probe"]["periodSeconds"] for name in ("startup", "readiness", "liveness")]
    assert patience == [2, 1, 10]
    assert container["livenessProbe"]["failureThreshold"] == 9


async def test_pods_are_spread_and_drained_one_after_the_other(helm_binary: Path, tmp_path: Path) -> None:
    objects = await render(helm_binary, tmp_path, {"image": IMAGE, "replicas": 1})
    budget = objects["PodDisruptionBudget"]["spec"]
    # No `minAvailable`: with it the only pod could never be moved.
    assert (budget["maxUnavailable"], "minAvailable" in budget) == (1, False)
    assert budget["selector"] == objects["Deployment"]["spec"]["selector"]
    spread = pod(objects)["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(item["labelSelector"] == budget["selector"] for item in spread)
    assert pod(objects)["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert pod(objects)["terminationGracePeriodSeconds"] == 30
    assert objects["Deployment"]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


async def test_an_autoscaler_takes_the_number_of_pods_over(helm_binary: Path, tmp_path: Path) -> None:
    values = {"image": IMAGE, "autoscaling": {"enabled": True, "maxReplicas": 6}}
    objects = await render(helm_binary, tmp_path, values)
    assert "replicas" not in objects["Deployment"]["spec"]
    scaler = objects["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"]
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


async def test_pods_are_replaced_when_their_configuration_changes(helm_binary: Path, tmp_path: Path) -> None:
    first = await render(helm_binary, tmp_path, {"image": IMAGE, "config": {"files": {"app.yaml": "level: 1\n"}}})
    again = await render(helm_binary, tmp_path, {"image": IMAGE, "config": {"files": {"app.yaml": "level: 1\n"}}})
    other = await render(helm_binary, tmp_path, {"image": IMAGE, "config": {"files": {"app.yaml": "level: 2\n"}}})
    sums = [made["Deployment"]["spec"]["template"]["metadata"]["annotations"] for made in (first, again, other)]
    assert sums[0] == sums[1] != sums[2]
    assert first["ConfigMap"]["data"] == {"app.yaml": "level: 1\n"}
    spec = pod(first)
    assert {"name": "config", "configMap": {"name": "ledger"}} in spec["volumes"]
    assert {"name": "config", "mountPath": "/etc/service", "readOnly": True} in spec["containers"][0]["volumeMounts"]


async def test_requests_come_by_the_gateway_or_by_an_ingress(helm_binary: Path, tmp_path: Path) -> None:
    hosts = ["ledger.example.com", "*.ledger.example.com"]
    values = {
        "image": IMAGE,
        "route": {"enabled": True, "hostnames": hosts},
        "ingress": {
            "enabled": True,
            "className": "traefik",
            "hostnames": hosts,
            "tlsSecretName": "ledger-tls",
            "annotations": {"acme": "yes"},
        },
    }
    objects = await render(helm_binary, tmp_path, values)
    route, ingress = objects["HTTPRoute"], objects["Ingress"]
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["spec"]["parentRefs"] == [{"name": "default", "namespace": "gateway-system"}]
    assert route["spec"]["hostnames"] == hosts
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "ledger", "port": 80}]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == hosts
    assert ingress["spec"]["tls"] == [{"secretName": "ledger-tls", "hosts": hosts}]
    assert (ingress["spec"]["ingressClassName"], ingress["metadata"]["annotations"]) == ("traefik", {"acme": "yes"})


async def test_alerts_tell_when_the_error_budget_burns(helm_binary: Path, tmp_path: Path) -> None:
    values = {"image": IMAGE, "slo": {"enabled": True, "objective": 99.5, "labels": {"release": "prometheus"}}}
    rule = (await render(helm_binary, tmp_path, values))["PrometheusRule"]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    ratios, burns = [group["rules"] for group in rule["spec"]["groups"]]
    for each in (*ratios, *burns):
        promql_parser.parse(each["expr"])
    recorded = {each["record"] for each in ratios}
    used = {name for each in burns for name in re.findall(r"service:\w+:\w+", each["expr"])}
    assert used == recorded
    assert [each["labels"]["severity"] for each in burns] == ["critical", "critical", "warning", "warning"]
    # 30 days of budget in two days, five, ten, thirty.
    factors = [re.findall(r"> ([0-9.]+) \* ([0-9.]+)", each["expr"]) for each in burns]
    assert factors == [[(factor, "0.005000")] * 2 for factor in ("14.4", "6", "3", "1")]


async def test_secrets_come_from_the_store_that_namespaces_are_given(helm_binary: Path, tmp_path: Path) -> None:
    data = {"DATABASE_PASSWORD": {"key": "payments/ledger", "property": "password"}}
    objects = await render(helm_binary, tmp_path, {"image": IMAGE, "externalSecret": {"enabled": True, "data": data}})
    secret = objects["ExternalSecret"]
    assert secret["apiVersion"] == "external-secrets.io/v1"
    assert secret["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": STORE}
    (read,) = secret["spec"]["data"]
    assert read == {"secretKey": "DATABASE_PASSWORD", "remoteRef": {**AS_IT_IS, **data["DATABASE_PASSWORD"]}}
    assert secret["spec"]["target"] == secret_target(secret["spec"]["target"]["name"])
    container = pod(objects)["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": secret["spec"]["target"]["name"]}}]


async def test_ways_out_of_the_chart(helm_binary: Path, tmp_path: Path) -> None:
    values = {
        "image": IMAGE,
        "envFrom": [{"configMapRef": {"name": "shared"}}],
        "extraContainers": [{"name": "proxy", "image": "registry.example.com/proxy:2.0.0"}],
        "extraInitContainers": [{"name": "migrate", "image": "registry.example.com/payments/ledger:1.0.0"}],
        "extraVolumes": [{"name": "cache", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "cache", "mountPath": "/cache"}],
        "podOverrides": {
            "nodeSelector": {"disk": "fast"},
            "securityContext": {"fsGroup": 20000},
            "topologySpreadConstraints": [],
        },
        "extraManifests": [
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}},
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-extra\n",
        ],
    }
    objects = await render(helm_binary, tmp_path, values)
    spec = pod(objects)
    assert [container["name"] for container in spec["containers"]] == ["ledger", "proxy"]
    assert spec["containers"][0]["envFrom"] == [{"configMapRef": {"name": "shared"}}]
    assert [container["name"] for container in spec["initContainers"]] == ["migrate"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp", "cache"]
    assert spec["containers"][0]["volumeMounts"][-1] == {"name": "cache", "mountPath": "/cache"}
    assert (spec["nodeSelector"], spec["topologySpreadConstraints"]) == ({"disk": "fast"}, [])
    # Objects are merged by their members.
    assert (spec["securityContext"]["fsGroup"], spec["securityContext"]["runAsNonRoot"]) == (20000, True)
    assert (objects["CronJob"]["metadata"]["name"], objects["Secret"]["metadata"]["name"]) == (
        "nightly",
        "ledger-extra",
    )


async def test_two_renderings_are_the_same(helm_binary: Path, tmp_path: Path) -> None:
    """What overrides change is not kept in the values, where the next object would find it."""
    values = {"image": IMAGE, "podAnnotations": {"a": "b"}, "config": {"files": {"x": "y"}}, "annotations": {"c": "d"}}
    objects = await render(helm_binary, tmp_path, values)
    assert objects["Service"]["metadata"]["annotations"] == {"c": "d"}
    assert objects == await render(helm_binary, tmp_path, values)


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
        ({"image": IMAGE, "disruptionBudget": {"maxUnavailable": 0}}, "/disruptionBudget/maxUnavailable"),
        ({"image": IMAGE, "disruptionBudget": {"maxUnavailable": "0%"}}, "/disruptionBudget/maxUnavailable"),
        ({"image": IMAGE, "route": {"enabled": True, "hostnames": ["Not a host"]}}, "/route/hostnames/0"),
        ({"image": IMAGE, "route": {"enabled": True, "parentRefs": []}}, "/route/parentRefs"),
        ({"image": IMAGE, "ingress": {"enabled": True}}, "ingress.hostnames is empty"),
        ({"image": IMAGE, "autoscaling": {"enabled": True, "maxReplicas": 1}}, "autoscaling.maxReplicas"),
        ({"image": IMAGE, "externalSecret": {"enabled": True}}, "externalSecret.data is empty"),
        ({"image": IMAGE, "externalSecret": {"kind": "ClusterSecretStore"}}, "kind"),
        ({"image": IMAGE, "slo": {"enabled": True, "errors": "a} or vector(1)"}}, "/slo/errors"),
        ({"image": IMAGE, "slo": {"enabled": True, "objective": 100}}, "/slo/objective"),
        ({"image": IMAGE, "extraContainers": [{"image": "x"}]}, "/extraContainers/0"),
    ],
)
async def test_the_schema_refuses(values: dict[str, Any], words: str, helm_binary: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        await render(helm_binary, tmp_path, values)


@pytest.mark.parametrize("values", sorted(path.name for path in (CHART / "ci").iterdir()))
def test_helm_finds_nothing_to_complain_about(helm_binary: Path, values: str) -> None:
    command = [str(helm_binary), "lint", "--strict", str(CHART), "--values", str(CHART / "ci" / values)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_changelog_begins_with_the_charts_version() -> None:
    about = parse_document((CHART / "Chart.yaml").read_bytes()).value
    versions = re.findall(r"^## (\S+)", (CHART / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == about["version"]


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = parse_document((CHART / "values.yaml").read_bytes()).value

    def compare(part: dict[str, Any], node: dict[str, Any], path: str) -> None:
        reference = node.get("$ref")
        if reference is not None:
            # A shape that several values have, of which not each uses all.
            shape = schema["definitions"][reference.rpartition("/")[2]]
            assert set(part) <= set(shape.get("properties", part)), path
        if "properties" not in node:
            return
        assert set(node["properties"]) - {"global"} == set(part), path
        assert node["additionalProperties"] is False, path
        for key, inner in node["properties"].items():
            if isinstance(part.get(key), dict):
                compare(part[key], inner, f"{path}.{key}")

    compare(values, schema, "values")


async def test_an_adopted_service_keeps_selector_labels_and_pods(helm_binary: Path, tmp_path: Path) -> None:
    containers = [
        {"name": "web", "image": "registry.example.com/payments/ledger:1.0.0", "ports": [{"containerPort": 80}]}
    ]
    values = {
        "image": IMAGE,
        "selectorLabels": {"app": "ledger"},
        "podLabels": {"tier": "backend"},
        "podSpec": {"containers": containers, "hostNetwork": False},
        "strategy": {"type": "Recreate"},
        "service": {
            "port": 81,
            "ports": [{"port": 81, "name": "web", "targetPort": 80}, {"port": 82, "name": "admin"}],
        },
        "ingress": {"enabled": True, "hostnames": ["ledger.example.com"]},
    }
    objects = await render(helm_binary, tmp_path, values)
    deployment = objects["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"] == objects["Service"]["spec"]["selector"] == {"app": "ledger"}
    assert deployment["template"]["metadata"] == {"labels": {"app": "ledger", "tier": "backend"}}
    assert deployment["template"]["spec"] == {"containers": containers, "hostNetwork": False}
    assert deployment["strategy"] == {"type": "Recreate"}
    assert objects["Service"]["spec"]["ports"] == values["service"]["ports"]
    backend = objects["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "ledger", "port": {"number": 81}}
    assert objects["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": 8080}]
    labels = objects["Deployment"]["metadata"]["labels"]
    assert (labels["app"], labels["app.kubernetes.io/name"]) == ("ledger", "ledger")


async def test_other_metrics_and_no_service(helm_binary: Path, tmp_path: Path) -> None:
    metric = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 5}}
    values = {
        "image": IMAGE,
        "service": {"enabled": False},
        "autoscaling": {"enabled": True, "metrics": [metric], "behavior": behavior},
    }
    objects = await render(helm_binary, tmp_path, values)
    assert "Service" not in objects
    assert objects["HorizontalPodAutoscaler"]["spec"]["metrics"] == [metric]
    assert objects["HorizontalPodAutoscaler"]["spec"]["behavior"] == behavior
