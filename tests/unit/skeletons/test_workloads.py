"""The chart's other workloads: a worker that nobody calls, a job by a schedule, and the way of telemetry."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS
from tests.unit.skeletons.test_base_service import CHART, IMAGE, pod, render, render_all

from understage.errors import InputError
from understage.sdk.yaml import parse_document

CRON = {"image": IMAGE, "workload": "cronjob", "cronJob": {"schedule": "15 3 * * *"}}
WORKER = {"image": IMAGE, "service": {"enabled": False}}


async def test_a_job_runs_by_its_schedule(helm_binary: Path, tmp_path: Path) -> None:
    objects = await render(helm_binary, tmp_path, CRON | {"config": {"files": {"job.yaml": "level: 1\n"}}})
    assert sorted(objects) == ["ConfigMap", "CronJob", "NetworkPolicy", "ServiceAccount"]
    spec = objects["CronJob"]["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("15 3 * * *", "Etc/UTC", "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (2, 3600)
    template = job["template"]
    assert "checksum/config" in template["metadata"]["annotations"]
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "ledger"
    assert template["spec"]["restartPolicy"] == "Never"
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "topologySpreadConstraints" not in template["spec"]
    (container,) = template["spec"]["containers"]
    assert not container.keys() & {"ports", "env", "lifecycle", "startupProbe", "readinessProbe", "livenessProbe"}
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}
    assert objects["NetworkPolicy"]["spec"]["ingress"] == []


async def test_a_worker_has_no_port_and_nobody_gets_in(helm_binary: Path, tmp_path: Path) -> None:
    probes = {"liveness": {"command": ["worker", "alive"], "periodSeconds": 20}}
    objects = await render(helm_binary, tmp_path, WORKER | {"probes": probes, "env": {"QUEUE": "books"}})
    assert sorted(objects) == ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"]
    (container,) = pod(objects)["containers"]
    assert not container.keys() & {"ports", "lifecycle", "startupProbe", "readinessProbe"}
    assert container["env"] == [{"name": "QUEUE", "value": "books"}]
    assert container["livenessProbe"]["exec"] == {"command": ["worker", "alive"]}
    assert container["livenessProbe"]["periodSeconds"] == 20
    assert objects["NetworkPolicy"]["spec"]["ingress"] == []
    assert objects["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


async def test_the_container_runs_another_command_of_the_image(helm_binary: Path, tmp_path: Path) -> None:
    values = CRON | {"command": ["python", "-m", "ledger"], "args": ["--close", "month"]}
    objects = await render(helm_binary, tmp_path, values)
    (container,) = objects["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["python", "-m", "ledger"], ["--close", "month"])


async def test_telemetry_finds_the_collector_and_is_let_through(helm_binary: Path, tmp_path: Path) -> None:
    values = {
        "image": IMAGE,
        "labels": {"environment": "staging"},
        "telemetry": {"enabled": True, "namespace": "telemetry"},
        "env": {"OTEL_SERVICE_NAME": "books"},
    }
    objects = await render(helm_binary, tmp_path, values)
    environment = [(entry["name"], entry["value"]) for entry in pod(objects)["containers"][0]["env"]]
    assert sorted(environment) == [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector.monitoring:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.version=1.0.0,k8s.namespace.name=payments,deployment.environment.name=staging",
        ),
        ("OTEL_SERVICE_NAME", "books"),
        ("PORT", "8080"),
    ]
    way = objects["NetworkPolicy"]["spec"]["egress"][-1]
    assert way["ports"] == [{"port": 4317}, {"port": 4318}]
    assert way["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "telemetry"}}}]


@pytest.mark.parametrize("values", ["worker.yaml", "cronjob.yaml"])
async def test_the_guardrails_let_them_pass(values: str, helm_binary: Path, tmp_path: Path) -> None:
    given = parse_document((CHART / "ci" / values).read_bytes()).value
    labels = {"labels": {"team": "payments", "environment": "production"}}
    assert not GUARDRAILS.check(await render_all(helm_binary, tmp_path, given | labels))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": IMAGE, "workload": "cronjob"}, "cronJob.schedule is empty"),
        ({**CRON, "cronJob": {"schedule": "now and then"}}, "/cronJob/schedule"),
        ({**CRON, "cronJob": {"schedule": "@daily", "timeZone": "Etc UTC"}}, "/cronJob/timeZone"),
        ({**CRON, "cronJob": {"schedule": "@daily", "parallel": 3}}, "parallel"),
        ({**CRON, "autoscaling": {"enabled": True}}, "autoscaling.enabled does not go with workload cronjob"),
        ({**CRON, "route": {"enabled": True}}, "route.enabled wants a Service"),
        ({**WORKER, "serviceMonitor": {"enabled": True}}, "serviceMonitor.enabled wants a Service"),
        ({**WORKER, "slo": {"enabled": True}}, "slo.enabled wants a Service"),
        ({"image": IMAGE, "workload": "daemonset"}, "/workload"),
        ({"image": IMAGE, "telemetry": {"enabled": True, "endpoint": "collector:4318"}}, "/telemetry/endpoint"),
        ({"image": IMAGE, "telemetry": {"enabled": True, "endpoint": "http://a:b@c:4318"}}, "/telemetry/endpoint"),
    ],
)
async def test_what_contradicts_itself_is_refused(
    values: dict[str, Any], words: str, helm_binary: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        await render(helm_binary, tmp_path, values)
