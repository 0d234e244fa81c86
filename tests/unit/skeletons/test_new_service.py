"""The golden path `new-service`: its form, what it writes in each language, the embedded default, a name that is taken."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.skeletons.golden_path import (
    GUARDRAILS,
    SKELETONS,
    StepFailedError,
    read_template,
    run_steps,
    templating,
)

from understage.integrations.helm import HelmBinary
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import check_kind
from understage.scaffolder.actions import ActionRegistry
from understage.sdk.testing import FakeCatalog, FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_documents

FORM = {
    "name": "ledger",
    "description": 'Books: "double" entry\n# kept',
    "owner": "group:default/payments",
    "system": "system:default/checkout",
    "language": "python",
    "environment": "production",
    "imageRegistry": "registry.example.com",
}
LANGUAGES = ["python", "go", "node", "java"]


async def write(workspace: Path, **form: Any) -> Path:
    """The repository that the template would publish."""
    ports = fake_ports(templating=templating(), forges=FakeForges([FakeForge()]))
    run = await run_steps(workspace, {**FORM, **form}, ports, until="publish")
    return run.workspace / "service"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_repository_is_complete_and_nothing_is_left_to_render(language: str, tmp_path: Path) -> None:
    service = await write(tmp_path, language=language)
    files = {str(path.relative_to(service)): path for path in service.rglob("*") if path.is_file()}
    assert files.keys() >= {
        ".github/workflows/ci.yaml",
        ".gitignore",
        "Dockerfile",
        "README.md",
        "catalog-info.yaml",
        "deploy/Chart.yaml",
        "deploy/charts/base-service/Chart.yaml",
        "deploy/charts/base-service/templates/deployment.yaml",
        "deploy/environments/production.yaml",
        "deploy/values.yaml",
        "docs/index.md",
        "mkdocs.yml",
    }
    for name, path in files.items():
        text = path.read_text()
        if not name.startswith(("deploy/charts/", ".github/")):
            assert not re.search(r"\$\{\{|\{%|%\}", text), name
        if name.endswith((".yaml", ".yml")) and "/templates/" not in name:
            assert parse_documents(text, name), name
    workflow = parse_documents(files[".github/workflows/ci.yaml"].read_text())[0].value
    push = workflow["jobs"]["image"]["steps"][-1]
    assert push["env"] == {
        "IMAGE": "registry.example.com/payments/ledger",
        "TAG": "0.1.0",
        "USERNAME": "${{ secrets.REGISTRY_USERNAME }}",
        "PASSWORD": "${{ secrets.REGISTRY_PASSWORD }}",
    }
    assert "USER 10001" in files["Dockerfile"].read_text()


@pytest.mark.parametrize(
    ("form", "lifecycle", "system"),
    [({}, "production", "system:default/checkout"), ({"environment": "staging", "system": None}, "experimental", None)],
)
async def test_the_component_is_valid(form: dict[str, Any], lifecycle: str, system: str | None, tmp_path: Path) -> None:
    service = await write(tmp_path, **form)
    (document,) = parse_documents((service / "catalog-info.yaml").read_text())
    entity = document.value
    assert check_kind(check_policies(check_envelope(entity)))
    assert entity["metadata"]["description"] == FORM["description"]
    assert entity["spec"].get("system") == system
    assert entity["spec"]["owner"] == "group:default/payments"
    assert entity["spec"]["lifecycle"] == lifecycle
    assert "links" not in entity["metadata"]


async def test_the_chart_renders_what_the_form_says(helm_binary: Path, tmp_path: Path) -> None:
    service = await write(tmp_path)
    text = await HelmBinary(str(helm_binary)).template(
        service / "deploy",
        release="ledger-production",
        namespace="ledger-production",
        values=[service / "deploy/environments/production.yaml"],
    )
    objects = {document.value["kind"]: document.value for document in parse_documents(text) if document.value}
    deployment = objects["Deployment"]
    assert deployment["metadata"]["name"] == "ledger"
    labels = deployment["metadata"]["labels"]
    assert (labels["team"], labels["environment"]) == ("payments", "production")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/payments/ledger:0.1.0"
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert deployment["spec"]["replicas"] == 2


OBSERVED = """base-service:
  serviceMonitor: {enabled: true}
  slo: {enabled: true}
  telemetry: {enabled: true}
"""


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_chart_fits_the_sample_and_the_guardrails_are_content(
    language: str, environment: str, helm_binary: Path, tmp_path: Path
) -> None:
    service = await write(tmp_path, language=language, environment=environment)
    observed = tmp_path / "observed.yaml"
    observed.write_text(OBSERVED)
    values = [service / f"deploy/environments/{environment}.yaml", observed]
    helm = HelmBinary(str(helm_binary))
    found = await helm.lint(service / "deploy", values=values, namespace="ledger")
    # It warns of a chart without templates of its own.
    assert [line for line in found if line[0] == "ERROR"] == []
    text = await helm.template(service / "deploy", release="ledger", namespace="ledger", values=values)
    documents = [document.value for document in parse_documents(text) if document.value]
    assert not GUARDRAILS.check(documents)

    objects = {document["kind"]: document for document in documents}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in (service / "Dockerfile").read_text()
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert {(probe["path"], probe["port"]) for probe in probes} == {("/health", "http")}
    (endpoint,) = objects["ServiceMonitor"]["spec"]["endpoints"]
    assert (endpoint["path"], endpoint["port"]) == ("/metrics", "http")
    assert "http_server_request_duration_seconds_count" in str(objects["PrometheusRule"])
    memory = container["resources"]["requests"]["memory"]
    assert memory == {
        "java": {"development": "384Mi", "production": "512Mi"},
    }.get(language, {"development": "128Mi", "production": "256Mi"})[environment]


async def test_without_cluster_and_argocd_everything_is_in_repositories(helm_binary: Path, tmp_path: Path) -> None:
    forge = FakeForge(type="local")
    forges = FakeForges([forge])
    location = "https://forge.test/payments/ledger/src/branch/main/catalog-info.yaml"
    component = {"kind": "Component", "metadata": {"namespace": "default", "name": "ledger"}}
    catalog = FakeCatalog(reachable={location: [component]})
    ports = fake_ports(
        forges=forges,
        catalog=catalog,
        templating=templating(),
        helm=HelmBinary(str(helm_binary)),
        guardrails=GUARDRAILS,
    )
    run = await run_steps(tmp_path, FORM, ports)
    assert run.skipped == ["show"]
    (component,) = parse_documents(forge.files("payments", "ledger")["catalog-info.yaml"])
    assert component.value["metadata"]["annotations"]["understage.io/estimated-monthly-cost"] == "13.08 USD"
    assert sorted(forge.files("platform", "gitops")) == [
        "README.md",
        "infrastructure/teams/payments/applications/ledger-production.yaml",
        "infrastructure/teams/payments/dashboards/ledger.yaml",
        "infrastructure/teams/payments/namespaces/ledger-production.yaml",
        "infrastructure/teams/payments/project.yaml",
        "rendered/ledger-production.yaml",
    ]
    assert catalog.locations == [location]
    assert [link["title"] for link in run.output["links"]] == ["Repository", "Open in the catalog"]
    assert run.output["links"][1]["entityRef"] == "component:default/ledger"
    text, cost = run.output["text"]
    # 2 pods x (0.25 cores x 0.031611 + 0.25 GiB x 0.004237) x 730 hours
    assert (cost["title"], "About **13.08 USD a month**." in cost["content"]) == ("What it costs", True)
    assert text["title"] == "What was written, and how to apply it"
    assert "git clone https://forge.test/platform/gitops.git" in text["content"]

    before = {name: dict(found.branches["main"]) for name, found in forge.repositories.items()}
    again = tmp_path / "again"
    again.mkdir()
    with pytest.raises(StepFailedError, match=r"The name is taken, nothing was made:\n- Repository payments/ledger"):
        await run_steps(again, FORM, ports)
    assert {name: found.branches["main"] for name, found in forge.repositories.items()} == before
    assert not list(again.iterdir())


async def test_a_dry_run_goes_through_and_makes_nothing(tmp_path: Path) -> None:
    forge = FakeForge()
    ports = fake_ports(templating=templating(), forges=FakeForges([forge]))
    run = await run_steps(tmp_path, FORM, ports, is_dry_run=True)
    assert not forge.repositories
    assert run.output["text"][0]["title"] == "What was written, and how to apply it"
    assert (tmp_path / "service/deploy/environments/production.yaml").is_file()


def test_every_action_is_registered_and_its_input_is_known() -> None:
    registry = ActionRegistry.from_entry_points()
    assert not registry.broken
    for step in read_template()["spec"]["steps"]:
        schema = registry.get(step["action"]).input_schema()
        assert step["input"].keys() <= schema["properties"].keys(), step["id"]
        assert set(schema.get("required", [])) <= step["input"].keys(), step["id"]


@pytest.mark.parametrize(
    ("values", "is_good"),
    [
        ({"name": "ledger", "owner": "group:default/payments"}, True),
        ({"name": "l", "owner": "group:default/payments"}, True),
        ({"name": "a" * 40, "owner": "group:default/payments"}, True),
        ({"name": "a" * 41, "owner": "group:default/payments"}, False),
        ({"name": "Ledger", "owner": "group:default/payments"}, False),
        ({"name": "1ledger", "owner": "group:default/payments"}, False),
        ({"name": "ledger-", "owner": "group:default/payments"}, False),
        ({"name": "../ledger", "owner": "group:default/payments"}, False),
        ({"name": "ledger"}, False),
        ({"name": "ledger", "owner": "user:default/ada"}, False),
        ({"name": "ledger", "owner": "payments"}, False),
        ({"name": "ledger", "owner": "group:default/payments", "system": "x\ny: z"}, False),
    ],
)
def test_the_form_takes_good_names_only(values: dict[str, Any], is_good: bool) -> None:
    page = read_template()["spec"]["parameters"][0]
    assert jsonschema_rs.is_valid(page, values) is is_good


def test_the_form_offers_what_there_is() -> None:
    page = read_template()["spec"]["parameters"][1]["properties"]
    assert page["language"]["enum"] == LANGUAGES
    assert sorted(page["language"]["enum"]) == sorted(
        path.name for path in (SKELETONS / "new-service/languages").iterdir()
    )
    overlays = next(step for step in read_template()["spec"]["steps"] if step["id"] == "values")["input"]["overlays"]
    assert list(overlays) == page["environment"]["enum"]
