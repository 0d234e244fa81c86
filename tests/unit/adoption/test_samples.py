"""Every sample: the proposal renders with real Helm, and the objects equal the originals or differ as the report in Git says."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import tools
from tests.unit.adoption.sample_reports import REPORT, SAMPLES, names, propose, request_of

from understage.integrations.adoption.sources import read_objects
from understage.integrations.helm import HelmBinary
from understage.sdk import AdoptionProposal
from understage.sdk.yaml import parse_documents

Json = dict[str, Any]
WITH_SECRETS = {"configuration"}
WITHOUT_DEPLOYMENT = {"statefulset", "daemonset", "expressions"}


@pytest.fixture(autouse=True)
def kustomize_on_the_path(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "kustomize" in request.node.name:
        if lacking := tools.lacking(["kustomize"]):
            (pytest.fail if os.environ.get("UNDERSTAGE_REQUIRE_ALL") else pytest.skip)("; ".join(lacking))
        monkeypatch.setenv("PATH", f"{tools.binary('kustomize').parent}{os.pathsep}{os.environ['PATH']}")


async def originals(name: str, helm_binary: Path) -> list[Json]:
    read = await read_objects(request_of(name), HelmBinary(str(helm_binary)))
    return [item for entry in read for item in (entry["items"] if entry["kind"] == "List" else [entry])]


async def rendered(proposal: AdoptionProposal, helm_binary: Path, folder: Path) -> dict[str, list[Json]]:
    """What Argo CD would render of the proposed files, service by service."""
    for name, text in proposal.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = {}
    for service in proposal.services:
        chart = folder / service["folder"]
        text = await HelmBinary(str(helm_binary)).template(
            chart,
            release=service["release"],
            namespace=service["namespace"],
            values=[chart / "environments" / "production.yaml"],
        )
        found[service["name"]] = [document.value for document in parse_documents(text) if document.value]
    return found


def only(objects: list[Json], kind: str, name: str) -> Json:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for below in value.values():
            yield from leaves(below)
    elif isinstance(value, list):
        for below in value:
            yield from leaves(below)
    else:
        yield value


@pytest.mark.parametrize("name", names())
async def test_the_report_is_the_one_in_git(name: str, helm_binary: Path) -> None:
    proposal = await propose(name, helm_binary)
    assert proposal.report == (SAMPLES / name / REPORT).read_text("utf-8")
    assert "not explained" not in proposal.report
    assert bool(proposal.services) == (name not in WITHOUT_DEPLOYMENT)
    for service in proposal.services:
        for difference in service["differences"]:
            assert difference["why"]
            assert difference["harmless"] in ("yes", "check", "no")


@pytest.mark.parametrize("name", sorted(set(names()) - WITHOUT_DEPLOYMENT))
async def test_what_counts_is_the_same_without_asking_the_comparison(
    name: str, helm_binary: Path, tmp_path: Path
) -> None:
    proposal = await propose(name, helm_binary)
    before = await originals(name, helm_binary)
    for service, after in (await rendered(proposal, helm_binary, tmp_path)).items():
        old, new = only(before, "Deployment", service), only(after, "Deployment", service)
        assert new["spec"]["selector"] == old["spec"]["selector"]
        assert new["spec"]["template"]["metadata"]["labels"] == old["spec"]["template"]["metadata"]["labels"]
        pods = [item["spec"]["template"]["spec"] for item in (old, new)]
        for key in ("containers", "initContainers"):
            images = [sorted(each["image"] for each in pod.get(key, [])) for pod in pods]
            assert images[0] == images[1]
        variables = [
            {
                each["name"]: each.get("value", each.get("valueFrom"))
                for part in pod["containers"]
                for each in part.get("env", [])
            }
            for pod in pods
        ]
        for held in next(each["secrets"] for each in proposal.services if each["name"] == service):
            source = {"secretKeyRef": {"name": f"{service}-secrets", "key": held["property"]}}
            assert variables[1][held["name"]] == source
            variables[0][held["name"]] = source
        assert variables[0].items() <= variables[1].items()
        assert variables[1].keys() - variables[0].keys() <= {"PORT"}
        for item in after:
            if item["kind"] == "Service":
                selector = item["spec"]["selector"]
                assert selector.items() <= new["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("name", sorted(set(names()) - WITHOUT_DEPLOYMENT - WITH_SECRETS))
async def test_adopted_as_it_is_the_pods_are_the_same_to_the_letter(
    name: str, helm_binary: Path, tmp_path: Path
) -> None:
    proposal = await propose(name, helm_binary, as_is=True)
    before = await originals(name, helm_binary)
    for service, after in (await rendered(proposal, helm_binary, tmp_path)).items():
        old, new = only(before, "Deployment", service), only(after, "Deployment", service)
        assert new["spec"]["template"]["spec"] == old["spec"]["template"]["spec"]
    assert all(service["keepsPods"] for service in proposal.services)


@pytest.mark.parametrize("name", names())
async def test_objects_that_are_not_rendered_are_told(name: str, helm_binary: Path, tmp_path: Path) -> None:
    proposal = await propose(name, helm_binary)
    after = [item for items in (await rendered(proposal, helm_binary, tmp_path)).values() for item in items]
    there = {f"{item['kind']}/{item['metadata']['name']}" for item in after}
    told = {entry["object"] for entry in proposal.not_adopted}
    for service in proposal.services:
        told |= {each["object"] for each in service["differences"] if each["path"] in ("", "metadata.name")}
    for item in await originals(name, helm_binary):
        title = f"{item['kind']}/{item['metadata']['name']}"
        assert title in there | told


async def test_values_of_secrets_are_in_no_file(helm_binary: Path) -> None:
    proposal = await propose("configuration", helm_binary)
    written = "\n".join(proposal.files.values())
    for part in ("c3VwZXItc2VjcmV0", "dXNlci12aXNpYmxl", "in-the-clear"):
        assert part not in written
    assert "Secret/ledger-db" in [entry["object"] for entry in proposal.not_adopted]
    assert "Its keys: password, user" in proposal.report


async def test_braces_stay_text(helm_binary: Path, tmp_path: Path) -> None:
    (objects,) = (await rendered(await propose("plain", helm_binary), helm_binary, tmp_path)).values()
    assert "{{ .Values.image }} ${HOME} {% raw %}" in list(leaves(objects))
    (objects,) = (await rendered(await propose("configuration", helm_binary), helm_binary, tmp_path)).values()
    assert only(objects, "ConfigMap", "ledger-env")["data"]["TEMPLATE"] == "{{ .Release.Name }}"


async def test_the_entity_is_proposed_unless_there_is_one(helm_binary: Path) -> None:
    proposal = await propose("ingress", helm_binary)
    (entity,) = [document.value for document in parse_documents(proposal.files["catalog-info.yaml"])]
    assert (entity["metadata"]["name"], entity["spec"]["owner"]) == ("shop", "group:default/shop")
    assert entity["metadata"]["annotations"] == {
        "backstage.io/kubernetes-id": "shop",
        "backstage.io/kubernetes-label-selector": "app=shop",
        "backstage.io/kubernetes-namespace": "shop",
        "argocd/app-selector": "app.kubernetes.io/name=shop,team=shop",
        "grafana/dashboard-selector": "tags @> 'service:shop'",
    }
    assert "links" not in entity["metadata"]
    linked = await propose(
        "ingress", helm_binary, argocd_url="https://argocd.test", grafana_url="https://grafana.test/"
    )
    (entity,) = [document.value for document in parse_documents(linked.files["catalog-info.yaml"])]
    assert [link["url"] for link in entity["metadata"]["links"]] == [
        "https://argocd.test/applications?proj=shop&labels=app.kubernetes.io%2Fname%3Dshop",
        "https://grafana.test/d/service-shop",
    ]
    several = await propose("several", helm_binary)
    assert "catalog-info.yaml" not in several.files
    assert [entry["message"] for entry in several.not_adopted if entry["object"] == "catalog-info.yaml"]
    assert sorted(service["folder"] for service in several.services) == ["deploy/one", "deploy/two"]
