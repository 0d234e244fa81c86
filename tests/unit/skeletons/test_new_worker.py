"""The golden path `new-worker`: what it writes, what its chart renders; `test_worker_runs` has the worker run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS, publish, read_template, run_steps, templating

from understage.integrations.helm import HelmBinary
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import check_kind
from understage.scaffolder.actions import ActionRegistry
from understage.sdk.testing import FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_documents

FORM = {
    "name": "mailer",
    "description": 'Sends "letters"\n# kept',
    "owner": "group:default/payments",
    "system": "system:default/checkout",
    "language": "python",
    "queue": "mail:outgoing",
    "redisHost": "redis.messaging",
    "redisPort": 6380,
    "scaling": "fixed",
    "environment": "production",
    "imageRegistry": "registry.example.com",
}


async def write(workspace: Path, helm_binary: Path, **form: Any) -> Path:
    """The repository that the template would publish."""
    return await publish(workspace, helm_binary, {**FORM, **form}, template="new-worker", folder="worker")


async def render(worker: Path, helm_binary: Path, *more: Path) -> dict[str, dict[str, Any]]:
    """The objects of the chart, by kind."""
    text = await HelmBinary(str(helm_binary)).template(
        worker / "deploy",
        release="mailer-production",
        namespace="mailer-production",
        values=[worker / "deploy/environments/production.yaml", *more],
    )
    return {document.value["kind"]: document.value for document in parse_documents(text) if document.value}


async def test_a_repository_is_complete_and_nothing_is_left_to_render(helm_binary: Path, tmp_path: Path) -> None:
    worker = await write(tmp_path, helm_binary)
    files = {str(path.relative_to(worker)): path for path in worker.rglob("*") if path.is_file()}
    assert files.keys() >= {
        ".editorconfig",
        ".github/workflows/ci.yaml",
        "Dockerfile",
        "README.md",
        "catalog-info.yaml",
        "deploy/Chart.yaml",
        "deploy/charts/base-service/Chart.yaml",
        "deploy/environments/production.yaml",
        "docs/index.md",
        "mkdocs.yml",
        "tests/test_queue.py",
        "worker/work.py",
    }
    for name, path in files.items():
        if not name.startswith(("deploy/charts/", ".github/")):
            assert not re.search(r"\$\{\{|\{%|%\}", path.read_text()), name
    (document,) = parse_documents(files["catalog-info.yaml"].read_text())
    assert check_kind(check_policies(check_envelope(document.value)))
    assert document.value["metadata"]["description"] == FORM["description"]
    assert (document.value["spec"]["type"], document.value["spec"]["owner"]) == ("worker", "group:default/payments")
    assert document.value["spec"]["system"] == "system:default/checkout"
    dockerfile = files["Dockerfile"].read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    assert "USER 10001:10001" in dockerfile


async def test_the_chart_renders_a_worker_that_nobody_calls(helm_binary: Path, tmp_path: Path) -> None:
    worker = await write(tmp_path, helm_binary)
    objects = await render(worker, helm_binary)
    # The Service is for Prometheus; no route leads to it.
    assert sorted(objects) == ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment == {
        "MAX_ATTEMPTS": "5",
        "PORT": "8080",
        "QUEUE": "mail:outgoing",
        "REDIS_URL": "redis://redis.messaging:6380/0",
        "RETRY_SECONDS": "60",
    }
    assert {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")} == {
        "/health"
    }
    # The message at hand has its time, and nothing waits for requests that never come.
    assert pod["terminationGracePeriodSeconds"] > int(environment["RETRY_SECONDS"])
    assert "lifecycle" not in container
    policy = objects["NetworkPolicy"]["spec"]
    (way_in,) = policy["ingress"]
    assert [each["namespaceSelector"]["matchLabels"] for each in way_in["from"]] == [
        {"kubernetes.io/metadata.name": "monitoring"}
    ]
    assert policy["egress"][1:] == [{"ports": [{"port": 6380, "protocol": "TCP"}]}]
    assert not GUARDRAILS.check(objects.values())
    command = [str(helm_binary), "lint", str(worker / "deploy")]
    command += ["--values", str(worker / "deploy/environments/production.yaml")]
    linted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


async def test_what_is_optional_is_a_switch_each(helm_binary: Path, tmp_path: Path) -> None:
    worker = await write(tmp_path, helm_binary, scaling="cpu")
    switches = tmp_path / "switches.yaml"
    switches.write_text("base-service: {serviceMonitor: {enabled: true}, slo: {enabled: true}}\n")
    objects = await render(worker, helm_binary, switches)
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "mailer"
    assert "replicas" not in objects["Deployment"]["spec"]
    assert objects["ServiceMonitor"]["spec"]["endpoints"][0]["path"] == "/metrics"
    (rule, *_) = objects["PrometheusRule"]["spec"]["groups"][0]["rules"]
    assert "messaging_process_duration_seconds_count" in rule["expr"]
    assert 'error_type!=""' in rule["expr"]
    assert not GUARDRAILS.check(objects.values())


async def test_its_dashboard_is_of_the_metrics_that_it_has(helm_binary: Path, tmp_path: Path) -> None:
    await write(tmp_path, helm_binary)
    dashboard = (tmp_path / "gitops/infrastructure/teams/payments/dashboards/mailer.yaml").read_text()
    assert "messaging_process_duration_seconds_count" in dashboard
    assert "http_server_request_duration_seconds" not in dashboard


def test_every_action_is_registered_and_its_input_is_known() -> None:
    registry = ActionRegistry.from_entry_points()
    for step in read_template("new-worker")["spec"]["steps"]:
        schema = registry.get(step["action"]).input_schema()
        assert step["input"].keys() <= schema["properties"].keys(), step["id"]
        assert set(schema.get("required", [])) <= step["input"].keys(), step["id"]


@pytest.mark.parametrize(
    ("values", "is_good"),
    [
        ({}, True),
        ({"queue": "billing:invoices.v2"}, True),
        ({"queue": "mail out"}, False),
        ({"queue": 'mail"\nx: y'}, False),
        ({"queue": "-mail"}, False),
        ({"queue": ""}, False),
        ({"redisHost": "10.0.0.7"}, True),
        ({"redisHost": "redis:6379"}, False),
        ({"redisHost": ":secret@redis"}, False),
        ({"redisHost": "redis/1"}, False),
        ({"redisPort": 0}, False),
        ({"redisPort": "6379"}, False),
        ({"scaling": "keda"}, False),
        ({"language": "go"}, True),
        ({"language": "cobol"}, False),
    ],
)
def test_the_form_takes_what_the_worker_takes(values: dict[str, Any], is_good: bool) -> None:
    page = read_template("new-worker")["spec"]["parameters"][1]
    assert jsonschema_rs.is_valid(page, {"language": "python", "queue": "mail", "environment": "production"} | values) is is_good


def test_its_steps_are_those_of_a_service() -> None:
    """What one learns to mend in one template is mended in the other."""
    services, workers = (
        [step["id"] for step in read_template(name)["spec"]["steps"]] for name in ("new-service", "new-worker")
    )
    assert workers == services
    offered = read_template("new-worker")["spec"]["parameters"][1]["properties"]["language"]["enum"]
    assert sorted(offered) == sorted(path.name for path in (SKELETONS / "new-worker" / "languages").iterdir())


async def test_in_go_it_is_complete_and_nothing_is_left_to_render(helm_binary: Path, tmp_path: Path) -> None:
    worker = await write(tmp_path, helm_binary, language="go")
    files = {str(path.relative_to(worker)): path for path in worker.rglob("*") if path.is_file()}
    assert files.keys() >= {".github/workflows/ci.yaml", "Dockerfile", "docs/index.md", "go.mod", "go.sum", "work.go"}
    assert not files.keys() & {"pyproject.toml", "worker/work.py"}
    for name, path in files.items():
        if not name.startswith(("deploy/charts/", ".github/")):
            assert not re.search(r"\$\{\{|\{%|%\}", path.read_text()), name
    assert "USER 10001:10001" in files["Dockerfile"].read_text()
    assert "python" not in files["docs/index.md"].read_text()
