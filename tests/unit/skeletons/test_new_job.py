"""The golden path `new-job`: what it writes, what its chart renders, and that the job it starts from runs and is traced."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS, publish, read_template, run_steps, templating
from tests.unit.skeletons.samples import collecting, spans_of

from understage.integrations.helm import HelmBinary
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import check_kind
from understage.scaffolder.actions import ActionRegistry
from understage.sdk.testing import FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_documents

FORM = {
    "name": "closing",
    "description": 'Closes "the" books\n# kept',
    "owner": "group:default/payments",
    "system": "system:default/checkout",
    "schedule": "15 3 * * *",
    "timeZone": "Europe/Berlin",
    "environment": "production",
    "imageRegistry": "registry.example.com",
}


async def write(workspace: Path, helm_binary: Path, **form: Any) -> Path:
    """The repository that the template would publish."""
    return await publish(workspace, helm_binary, {**FORM, **form}, template="new-job", folder="job")


def start(job: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "job"],
        cwd=job,
        env={"PATH": os.environ["PATH"], "HOME": str(job), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_repository_is_complete_and_nothing_is_left_to_render(helm_binary: Path, tmp_path: Path) -> None:
    job = await write(tmp_path, helm_binary)
    files = {str(path.relative_to(job)): path for path in job.rglob("*") if path.is_file()}
    assert files.keys() >= {
        ".github/workflows/ci.yaml",
        "Dockerfile",
        "README.md",
        "catalog-info.yaml",
        "deploy/charts/base-service/templates/cronjob.yaml",
        "deploy/environments/production.yaml",
        "docs/index.md",
        "mkdocs.yml",
        "tests/test_work.py",
    }
    for name, path in files.items():
        if not name.startswith(("deploy/charts/", ".github/")):
            assert not re.search(r"\$\{\{|\{%|%\}", path.read_text()), name
    (document,) = parse_documents(files["catalog-info.yaml"].read_text())
    assert check_kind(check_policies(check_envelope(document.value)))
    assert document.value["metadata"]["description"] == FORM["description"]
    assert (document.value["spec"]["type"], document.value["spec"]["owner"]) == ("job", "group:default/payments")
    dockerfile = files["Dockerfile"].read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    assert "USER 10001:10001" in dockerfile


async def test_the_chart_renders_what_the_form_says(helm_binary: Path, tmp_path: Path) -> None:
    job = await write(tmp_path, helm_binary)
    values = job / "deploy/environments/production.yaml"
    text = await HelmBinary(str(helm_binary)).template(
        job / "deploy", release="closing-production", namespace="closing-production", values=[values]
    )
    objects = {document.value["kind"]: document.value for document in parse_documents(text) if document.value}
    assert sorted(objects) == ["CronJob", "NetworkPolicy", "ServiceAccount"]
    cron = objects["CronJob"]
    assert (cron["metadata"]["name"], cron["metadata"]["labels"]["team"]) == ("closing", "payments")
    assert (cron["spec"]["schedule"], cron["spec"]["timeZone"]) == ("15 3 * * *", "Europe/Berlin")
    (container,) = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/payments/closing:0.1.0"
    assert not GUARDRAILS.check(objects.values())
    command = [str(helm_binary), "lint", str(job / "deploy"), "--values", str(values)]
    linted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


async def test_its_own_tests_pass_and_it_runs(helm_binary: Path, tmp_path: Path) -> None:
    job = await write(tmp_path, helm_binary)
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=job,
        env={"PATH": os.environ["PATH"], "HOME": str(job)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    ran = start(job)
    assert (ran.returncode, ran.stdout) == (0, "")
    # Quiet about telemetry, which nothing asked for.
    assert ran.stderr.splitlines() == ["INFO did example", "INFO done: 1"]


async def test_a_run_is_a_span_at_the_collector_that_the_standard_variable_names(
    helm_binary: Path, tmp_path: Path
) -> None:
    job = await write(tmp_path, helm_binary)
    with collecting() as (endpoint, received):
        ran = start(job, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert ran.returncode == 0, ran.stderr
    ((about, span),) = spans_of(received)
    assert (about["service.name"], span.name) == ("closing", "run")
    assert {attribute.key: attribute.value.int_value for attribute in span.attributes} == {
        "job.items.done": 1,
        "job.items.failed": 0,
    }


def test_every_action_is_registered_and_its_input_is_known() -> None:
    registry = ActionRegistry.from_entry_points()
    for step in read_template("new-job")["spec"]["steps"]:
        schema = registry.get(step["action"]).input_schema()
        assert step["input"].keys() <= schema["properties"].keys(), step["id"]
        assert set(schema.get("required", [])) <= step["input"].keys(), step["id"]


@pytest.mark.parametrize(
    ("schedule", "is_good"),
    [
        ("15 3 * * *", True),
        ("*/5 0-6 1,15 JAN MON-FRI", True),
        ("@daily", True),
        ("@reboot", False),
        ("15 3 * *", False),
        ("every night", False),
        ('* * * * *"\nx: y', False),
        ("", False),
    ],
)
def test_the_form_takes_what_the_chart_takes(schedule: str, is_good: bool) -> None:
    page = read_template("new-job")["spec"]["parameters"][1]
    values = {"schedule": schedule, "environment": "production"}
    assert jsonschema_rs.is_valid(page, values) is is_good


def test_its_steps_are_those_of_a_service_but_for_source() -> None:
    """What one learns to mend in one template is mended in the other."""
    services = [step["id"] for step in read_template("new-service")["spec"]["steps"]]
    jobs = [step["id"] for step in read_template("new-job")["spec"]["steps"]]
    assert jobs == [step for step in services if step != "source"]
    assert (SKELETONS / "new-job" / "content").is_dir()
