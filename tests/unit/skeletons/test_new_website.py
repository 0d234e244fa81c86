"""The golden path `new-website`: what it writes and what its chart renders. `tests/portal` builds, serves and looks at it."""

import json
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
from understage.sdk.yaml import parse_document, parse_documents

FORM = {
    "name": "shop",
    "description": 'Sells "books" <fast>\n# kept',
    "owner": "group:default/web",
    "system": "system:default/checkout",
    "domain": "apps.example.com",
    "environment": "production",
    "imageRegistry": "registry.example.com",
}


async def write(workspace: Path, helm_binary: Path, **form: Any) -> Path:
    """The repository that the template would publish."""
    return await publish(workspace, helm_binary, {**FORM, **form}, template="new-website", folder="website")


async def test_a_repository_is_complete_and_nothing_is_left_to_render(helm_binary: Path, tmp_path: Path) -> None:
    website = await write(tmp_path, helm_binary)
    files = {str(path.relative_to(website)): path for path in website.rglob("*") if path.is_file()}
    assert files.keys() >= {
        ".editorconfig",
        ".github/workflows/ci.yaml",
        "Dockerfile",
        "README.md",
        "catalog-info.yaml",
        "deploy/Chart.yaml",
        "deploy/charts/base-service/templates/httproute.yaml",
        "deploy/environments/production.yaml",
        "docs/index.md",
        "mkdocs.yml",
        "nginx.conf",
        "package-lock.json",
        "src/main.ts",
        "tests/page.test.ts",
    }
    for name, path in files.items():
        if not name.startswith(("deploy/charts/", ".github/")):
            assert not re.search(r"\$\{\{|\{%|%\}", path.read_text()), name
    (document,) = parse_documents(files["catalog-info.yaml"].read_text())
    assert check_kind(check_policies(check_envelope(document.value)))
    assert document.value["metadata"]["description"] == FORM["description"]
    assert document.value["metadata"]["links"][0]["url"] == "https://shop-production.apps.example.com"
    assert (document.value["spec"]["type"], document.value["spec"]["owner"]) == ("website", "group:default/web")
    assert document.value["spec"]["system"] == "system:default/checkout"
    # In a page a description is text: nothing that somebody types into the form becomes markup.
    assert "Sells &quot;books&quot; &lt;fast&gt;" in files["index.html"].read_text()


async def test_the_image_is_built_of_what_is_pinned_and_runs_without_rights(helm_binary: Path, tmp_path: Path) -> None:
    website = await write(tmp_path, helm_binary)
    dockerfile = (website / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    assert "USER 10001:10001" in dockerfile
    lock = json.loads((website / "package-lock.json").read_text())
    package = json.loads((website / "package.json").read_text())
    assert lock["name"] == package["name"] == lock["packages"][""]["name"] == "shop"
    assert lock["packages"][""]["devDependencies"] == package["devDependencies"]
    assert all(each["integrity"] for name, each in lock["packages"].items() if name)
    # What the image builds from is let through to it.
    let_through = set(re.findall(r"^!(\S+)$", (website / ".dockerignore").read_text(), re.MULTILINE))
    assert let_through == {
        *("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "nginx.conf", "index.html"),
        *("public", "src"),
    }
    assert all((website / name).exists() for name in let_through)


async def test_the_chart_renders_what_the_form_says(helm_binary: Path, tmp_path: Path) -> None:
    website = await write(tmp_path, helm_binary)
    values = website / "deploy/environments/production.yaml"
    text = await HelmBinary(str(helm_binary)).template(
        website / "deploy", release="shop-production", namespace="shop-production", values=[values]
    )
    objects = {document.value["kind"]: document.value for document in parse_documents(text) if document.value}
    # No ServiceMonitor and no alerts: it has no metrics.
    assert sorted(objects) == [
        *("ConfigMap", "Deployment", "HTTPRoute", "NetworkPolicy", "PodDisruptionBudget"),
        *("Service", "ServiceAccount"),
    ]
    assert objects["HTTPRoute"]["spec"]["hostnames"] == ["shop-production.apps.example.com"]
    assert json.loads(objects["ConfigMap"]["data"]["config.json"]) == {"environment": "production"}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/web/shop:0.1.0"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "128Mi"}
    # Where nginx looks for it, and the only place that it writes to.
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/etc/service", "/tmp"}
    (way,) = objects["NetworkPolicy"]["spec"]["ingress"]
    assert [each["namespaceSelector"]["matchLabels"] for each in way["from"]] == [
        {"kubernetes.io/metadata.name": "gateway-system"}
    ]
    assert not GUARDRAILS.check(objects.values())
    command = [str(helm_binary), "lint", str(website / "deploy"), "--values", str(values)]
    linted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
async def test_each_environment_has_values_of_its_own(environment: str, helm_binary: Path, tmp_path: Path) -> None:
    website = await write(tmp_path, helm_binary, environment=environment)
    values = parse_document((website / f"deploy/environments/{environment}.yaml").read_bytes()).value["base-service"]
    assert values["route"]["hostnames"] == [f"shop-{environment}.apps.example.com"]
    assert values["labels"] == {"team": "web", "environment": environment}


def test_every_action_is_registered_and_its_input_is_known() -> None:
    registry = ActionRegistry.from_entry_points()
    for step in read_template("new-website")["spec"]["steps"]:
        schema = registry.get(step["action"]).input_schema()
        assert step["input"].keys() <= schema["properties"].keys(), step["id"]
        assert set(schema.get("required", [])) <= step["input"].keys(), step["id"]


@pytest.mark.parametrize(
    ("domain", "is_good"),
    [
        ("shop.example.com", True),
        ("a-1.b.example", True),
        ("localhost", False),
        ("Shop.example.com", False),
        ("https://shop.example.com", False),
        ("shop.example.com/path", False),
        ("shop..example.com", False),
        ("*.example.com", False),
        ("-shop.example.com", False),
        ("shop.example.com\nx: y", False),
        (f"{'a' * 64}.example.com", False),
        ("a." * 126 + "com", False),
        ("", False),
    ],
)
def test_the_form_takes_domains_only(domain: str, is_good: bool) -> None:
    page = read_template("new-website")["spec"]["parameters"][1]
    assert jsonschema_rs.is_valid(page, {"domain": domain, "environment": "production"}) is is_good


def test_its_steps_are_those_of_a_service_but_for_source() -> None:
    """What one learns to mend in one template is mended in the other."""
    services = [step["id"] for step in read_template("new-service")["spec"]["steps"]]
    websites = [step["id"] for step in read_template("new-website")["spec"]["steps"]]
    assert websites == [step for step in services if step != "source"]
    assert (SKELETONS / "new-website" / "content").is_dir()
