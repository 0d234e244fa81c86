"""What the entities of all golden paths say of where they run: the same, and what Argo CD and Kubernetes find by it."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import DEFAULTS, GUARDRAILS, SKELETONS, run_steps, templating

from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import check_kind
from understage.integrations.helm import HelmBinary
from understage.sdk.testing import FakeArgoCd, FakeArgoCds, FakeCatalog, FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_documents

GRAFANA = "https://grafana.example.com"
PATHS: dict[str, dict[str, Any]] = {
    "service": {"language": "python"},
    "website": {"domain": "apps.example.com"},
    "worker": {"language": "go", "queue": "mail"},
    "job": {"schedule": "15 3 * * *"},
}
SAID = {
    "backstage.io/techdocs-ref": "dir:.",
    "backstage.io/kubernetes-id": "till",
    "backstage.io/kubernetes-label-selector": "app.kubernetes.io/name=till,team=payments",
    "argocd/app-selector": "app.kubernetes.io/name=till,team=payments",
    "grafana/dashboard-selector": "tags @> 'service:till'",
}
LINKS = [
    "https://argocd.test/applications?proj=payments&labels=app.kubernetes.io%2Fname%3Dtill",
    f"{GRAFANA}/d/service-till",
]


def form(kind: str, environment: str) -> dict[str, Any]:
    """What somebody fills in."""
    return {"name": "till", "owner": "group:default/payments", "environment": environment, **PATHS[kind]}


def selects(selector: str, labels: dict[str, str]) -> bool:
    """As Kubernetes reads a selector of equalities."""
    return all(labels.get(key) == value for key, _, value in (part.partition("=") for part in selector.split(",")))


@pytest.mark.parametrize("kind", PATHS)
async def test_all_paths_say_the_same_and_link_the_same(
    kind: str, helm_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DEFAULTS, "grafanaUrl", GRAFANA)
    ports = fake_ports(
        templating=templating(),
        forges=FakeForges([FakeForge()]),
        helm=HelmBinary(str(helm_binary)),
        guardrails=GUARDRAILS,
        argocd=FakeArgoCds([FakeArgoCd()]),
    )
    await run_steps(tmp_path, form(kind, "staging"), ports, until="publish", template=f"new-{kind}")
    (document,) = parse_documents((tmp_path / kind / "catalog-info.yaml").read_text())
    assert check_kind(check_policies(check_envelope(document.value)))
    metadata = document.value["metadata"]
    annotations = dict(metadata["annotations"])
    assert annotations.pop("understage.io/estimated-monthly-cost").endswith(" USD")
    assert annotations == SAID
    assert [link["url"] for link in metadata["links"]][-2:] == LINKS


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("kind", PATHS)
async def test_every_environment_is_found_by_what_the_entity_says(
    kind: str, environment: str, helm_binary: Path, tmp_path: Path
) -> None:
    """Not only the first one: Application, workload and pods carry the labels that the annotations ask for."""
    forge = FakeForge(type="local")
    component = {"kind": "Component", "metadata": {"namespace": "default", "name": "till"}}
    ports = fake_ports(
        templating=templating(),
        forges=FakeForges([forge]),
        catalog=FakeCatalog(
            reachable={"https://forge.test/payments/till/src/branch/main/catalog-info.yaml": [component]}
        ),
        helm=HelmBinary(str(helm_binary)),
        guardrails=GUARDRAILS,
    )
    await run_steps(tmp_path, form(kind, environment), ports, template=f"new-{kind}")
    files = forge.files("platform", "gitops")
    (application,) = parse_documents(files[f"infrastructure/teams/payments/applications/till-{environment}.yaml"])
    assert selects(SAID["argocd/app-selector"], application.value["metadata"]["labels"])
    rendered = [each.value for each in parse_documents(files[f"rendered/till-{environment}.yaml"]) if each.value]
    (workload,) = [each for each in rendered if each["kind"] in ("Deployment", "CronJob")]
    spec = workload["spec"]
    pods = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]["metadata"]["labels"]
    for labels in (workload["metadata"]["labels"], pods):
        assert selects(SAID["backstage.io/kubernetes-label-selector"], labels)


def test_no_path_says_it_by_itself() -> None:
    texts = [path.read_text("utf-8") for path in SKELETONS.glob("new-*/content/**/*.yaml")]
    assert texts
    assert not [text for text in texts if "argocd/app" in text or "backstage.io/kubernetes" in text]
