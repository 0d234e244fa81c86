"""Services with long names: each has a release of its own, and its Application is found by the whole name."""

from pathlib import Path

import pytest
from tests.unit.skeletons.golden_path import run_steps, templating

from understage.adoption.files import release_name
from understage.model.deployed import Deployed
from understage.sdk import AdoptionProposal
from understage.sdk.testing import FakeAdoption, FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_document
from understage_actions._kubernetes_names import check_label

LONG = "order-history-of-customers-in-all-warehouses-of-eu"


@pytest.mark.parametrize("environment", ["qa", "production", "e" * 30])
def test_every_service_has_a_release_that_helm_takes(environment: str) -> None:
    names = [*("a" * length for length in range(1, 54)), f"{'a' * 52}b", f"{'a' * 30}-{'b' * 21}", LONG]
    releases = [release_name(name, environment) for name in names]
    assert len(set(releases)) == len(names)
    assert all(release.endswith(f"-{environment}") for release in releases)
    for release in releases:
        check_label(release, "release", limit=53)
    assert release_name("ledger", "production") == "ledger-production"


async def test_what_the_entity_asks_for_finds_the_application(tmp_path: Path) -> None:
    release = release_name(LONG, "production")
    assert LONG not in release
    service = {
        "name": LONG,
        "namespace": "shop",
        "release": release,
        "folder": "deploy",
        "equal": True,
        "keepsPods": True,
        "differences": [],
        "violations": [],
    }
    forge = FakeForge()
    await forge.create_repository("shop", "orders")
    forge.repositories["shop/orders"].branches["main"] = {"k8s/all.yaml": b"kind: List\n"}
    proposal = AdoptionProposal({"deploy/values.yaml": "a: 1\n"}, "# Adoption\n\n## x\n", [service], [])
    ports = fake_ports(templating=templating(), forges=FakeForges([forge]), adoption=FakeAdoption(proposal))
    form = {
        "repoUrl": "forge.test?owner=shop&repo=orders",
        "owner": "group:default/shop",
        "environment": "production",
        "namespace": "shop",
    }
    await run_steps(tmp_path, form, ports, template="adopt-service", until="propose")
    (file,) = (tmp_path / "gitops/infrastructure/teams/shop/applications").iterdir()
    assert file.name == f"{release}.yaml"
    labels = parse_document(file.read_bytes()).value["metadata"]["labels"]
    selector = Deployed(service=LONG, team="shop").selector
    assert all(f"{name}={labels[name]}" in selector for name in ("app.kubernetes.io/name", "team"))
