"""A platform in memory with a service that is deployed: what `environment:clone` is tried on. Helm and its charts are real."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.skeletons.golden_path import DEFAULTS, SKELETONS

from understage.integrations.helm import HelmBinary
from understage.sdk import Ports
from understage.sdk.deployed import Deployed
from understage.sdk.testing import FakeCatalog, FakeForge, FakeForges, FakeRepository, fake_ports, run_action
from understage.sdk.yaml import dump, parse_documents
from understage_actions.environment_clone import clone_environment

CHART = SKELETONS / "charts" / "base-service"
WRAPPER = """\
apiVersion: v2
name: {name}
version: 0.1.0
dependencies:
  - name: base-service
    version: {version}
"""
INPUT = {
    "source": "component:default/ledger",
    "from": "staging",
    "name": "refunds",
    "team": "group:default/payments",
    "targetPath": "gitops",
}
FOLDER = "gitops/infrastructure/teams/payments/clones/refunds"


def chart_files() -> dict[str, bytes]:
    """The vendored chart."""
    files = {path.relative_to(CHART).as_posix(): path for path in CHART.rglob("*") if path.is_file()}
    return {f"deploy/charts/base-service/{name}": path.read_bytes() for name, path in files.items()}


def chart_version() -> str:
    """Of base-service."""
    return str(parse_documents((CHART / "Chart.yaml").read_bytes())[0].value["version"])


def service_files(name: str, values: Mapping[str, Any], environment: str) -> dict[str, bytes]:
    """The repository of a service, as new-service makes it."""
    base = {
        "base-service": {"name": name, "image": {"repository": f"registry.example.com/payments/{name}", "tag": "1.2.0"}}
    }
    return {
        **chart_files(),
        "deploy/Chart.yaml": WRAPPER.format(name=name, version=chart_version()).encode(),
        "deploy/values.yaml": dump(base).encode(),
        f"deploy/environments/{environment}.yaml": dump({"base-service": dict(values)}).encode(),
    }


def application(name: str, environment: str) -> dict[str, Any]:
    """The Application of a service, as argocd:register-app writes it."""
    url = f"https://forge.test/payments/{name}.git"
    source = {
        "repoURL": url,
        "targetRevision": "main",
        "path": "deploy",
        "helm": {"valueFiles": [f"environments/{environment}.yaml"]},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"{name}-{environment}", "namespace": "argocd"},
        "spec": {
            "project": "payments",
            "source": source,
            "destination": {"server": "https://kubernetes.test", "namespace": f"{name}-{environment}"},
        },
    }


def entity(kind: str, name: str, owner: str = "group:default/payments", **more: Any) -> dict[str, Any]:
    """An entity of the catalog."""
    annotations = Deployed(name, "payments").annotations() if kind == "Component" else {}
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": {"owner": owner}, **more}


def world(
    helm: Path,
    services: Mapping[str, Mapping[str, Any]],
    *,
    environment: str = "staging",
    gitops: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    **more: Any,
) -> tuple[Ports, FakeForge]:
    """Services by name with the values of their environment; `files` are more files of each repository."""
    forge = FakeForge(host="forge.test")

    def add(owner: str, name: str, content: Mapping[str, bytes]) -> None:
        found = FakeRepository(forge.plan_repository(owner, name))
        found.branches["main"] = dict(content)
        forge.repositories[f"{owner}/{name}"] = found

    extra = {name: text.encode() for name, text in (files or {}).items()}
    for name, values in services.items():
        add("payments", name, {**service_files(name, values, environment), **extra})
    written = {
        f"infrastructure/teams/payments/applications/{name}-{environment}.yaml": dump(application(name, environment))
        for name in services
    }
    add("platform", "gitops", {name: text.encode() for name, text in {**written, **(gitops or {})}.items()})
    parts = [{"type": "hasPart", "targetRef": f"component:default/{name}"} for name in [*services, "library"]]
    library = entity("Component", "library")
    library["metadata"]["annotations"] = {}
    entities = [
        *(entity("Component", name) for name in services),
        library,
        entity("System", "checkout", relations=parts),
    ]
    entities.append(entity("Component", "theirs", "group:default/others"))
    return (
        fake_ports(forges=FakeForges([forge]), catalog=FakeCatalog(entities), helm=HelmBinary(str(helm)), **more),
        forge,
    )


async def clone(ports: Ports, workspace: Path, **input: Any) -> Any:
    """Run the action."""
    checkpoints, defaults = input.pop("checkpoints", None), input.pop("defaults", {})
    return await run_action(
        clone_environment,
        {**INPUT, **input},
        ports=ports,
        workspace=workspace,
        defaults={**DEFAULTS, **defaults},
        checkpoints=checkpoints,
    )


def written(workspace: Path, file: str) -> list[dict[str, Any]]:
    """The objects of one of the clone's files."""
    documents = parse_documents((workspace / FOLDER / file).read_bytes())
    return [document.value for document in documents if document.value is not None]
