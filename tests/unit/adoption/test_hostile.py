"""What is refused before anything is proposed: bombs, links, traversal, downloads, names that are paths, files in the way."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS

from understage.adoption import Difference, Options, compare, explain, propose, take_stock
from understage.errors import InputError, ServiceUnavailableError, SourceError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.adoption.kustomize import build
from understage.sdk import AdoptionProposal, AdoptionRequest
from understage.sdk.testing import FakeHelm
from understage.sdk.yaml import parse_documents

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "registry.example.com/web:1"}}]}}
"""


def request(folder: Path, **other: Any) -> AdoptionRequest:
    given = {"owner": "group:default/a", "team": "a", "environment": "production", **other}
    return AdoptionRequest(folder=folder, base_chart=SKELETONS / "charts" / "base-service", **given)


async def adopt(folder: Path, **other: Any) -> AdoptionProposal:
    return await ServiceAdoption(FakeHelm(), GUARDRAILS).propose(request(folder, **other))


async def test_a_bomb_of_aliases(tmp_path: Path) -> None:
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata: {name: bomb}", "a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 10)}]" for name in "bcdefghi"]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"bomb\.yaml"):
        await adopt(tmp_path)


async def test_a_link_out_of_the_repository(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (tmp_path / "outside.yaml").write_text(DEPLOYMENT.format(name="web"))
    (repository / "web.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(InputError, match=r"web\.yaml is a link that leads out"):
        await adopt(repository)
    with pytest.raises(InputError, match="leads out of the repository"):
        await adopt(repository, path="web.yaml")
    with pytest.raises(InputError, match="leads out of the repository"):
        await adopt(repository, path="../outside.yaml")


async def test_a_huge_file(tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(3 * 1024 * 1024)
    with pytest.raises(InputError, match=r"huge\.yaml is longer than"):
        await adopt(tmp_path)


async def test_too_many_objects(tmp_path: Path) -> None:
    item = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}}}\n"
    (tmp_path / "many.yaml").write_text("".join(item.format(number=number) for number in range(501)))
    with pytest.raises(InputError, match="501 objects are more than the 500"):
        await adopt(tmp_path)


@pytest.mark.parametrize("name", ["../../etc", '"a\\nb: c"', "A", "a.b", "x" * 54])
async def test_a_name_that_is_no_label_is_reported_and_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "web.yaml").write_text(DEPLOYMENT.format(name=name))
    proposal = await adopt(tmp_path)
    assert proposal.files.keys() <= {"catalog-info.yaml"}
    assert proposal.services == []
    assert "its name is no label" in proposal.not_adopted[0]["message"]


@pytest.mark.parametrize("target", ["../deploy", "/etc", "deploy/../..", "a b", ""])
async def test_a_target_that_leads_out(tmp_path: Path, target: str) -> None:
    (tmp_path / "web.yaml").write_text(DEPLOYMENT.format(name="web"))
    with pytest.raises(InputError, match="must be a folder of the repository"):
        await adopt(tmp_path, target=target)


async def test_files_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "Chart.yaml").write_text("name: own\n")
    with pytest.raises(InputError, match=r"deploy/Chart\.yaml is there already.*another folder"):
        await adopt(tmp_path)


async def test_the_same_object_twice(tmp_path: Path) -> None:
    for environment in ("staging", "production"):
        (tmp_path / f"{environment}.yaml").write_text(DEPLOYMENT.format(name="web"))
    with pytest.raises(InputError, match="Deployment/web is there twice: adopt one environment at a time"):
        await adopt(tmp_path)


async def test_nothing_to_adopt(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    with pytest.raises(InputError, match="has no Kubernetes objects"):
        await adopt(tmp_path)


@pytest.mark.parametrize(
    "kustomization",
    [
        "resources: ['https://example.com/all.yaml']",
        "resources: ['github.com/acme/base?ref=main']",
        "resources: [../../outside]",
        "components: ['git@example.com:acme/base.git']",
        "patches: [{path: 'https://example.com/patch.yaml'}]",
        "configMapGenerator: [{name: a, files: ['a=/etc/passwd']}]",
        "secretGenerator: [{name: a, envs: ['../../../.env']}]",
        "openapi: {path: 'https://example.com/schema.json'}",
        "helmCharts: [{name: a, repo: 'https://example.com'}]",
    ],
)
async def test_a_kustomization_reads_its_repository_only(tmp_path: Path, kustomization: str) -> None:
    (tmp_path / "outside").mkdir()
    folder = tmp_path / "repository" / "overlay"
    folder.mkdir(parents=True)
    (folder / "kustomization.yaml").write_text(kustomization)
    with pytest.raises(SourceError, match=r"overlay/kustomization\.yaml"):
        await build(folder, tmp_path / "repository")


async def test_without_kustomize_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web.yaml").write_text(DEPLOYMENT.format(name="web"))
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceUnavailableError, match=r"install it .* or give what it makes"):
        await adopt(tmp_path)


def test_a_change_that_nobody_thought_of_is_called_harmful() -> None:
    (group,) = take_stock([document.value for document in parse_documents(DEPLOYMENT.format(name="web"))]).groups
    before = group.objects()
    (after,) = [document.value for document in parse_documents(DEPLOYMENT.format(name="web").replace("web:1", "web:2"))]
    after["spec"]["template"]["spec"]["containers"][0]["command"] = ["other"]
    differences = compare(before, [after], container=("web", "web"), renamed={})
    assert [(each.path, each.before, each.after) for each in differences] == [
        ("spec.template.spec.containers[web].image", "registry.example.com/web:1", "registry.example.com/web:2"),
        ("spec.template.spec.containers[web].command", None, ["other"]),
    ]
    proposal = propose(group, Options("group:default/a", "a", "production"))
    assert [each.harmless for each in explain(differences, proposal)] == ["no", "no"]


def test_defaults_and_other_ways_to_write_are_no_difference() -> None:
    def deployment(container: str) -> list[dict[str, Any]]:
        text = DEPLOYMENT.format(name="web").replace('image: "registry.example.com/web:1"', container)
        return [document.value for document in parse_documents(text)]

    resources = "resources: {limits: {cpu: 0.5, memory: 1Gi}}"
    long = f"image: 'r/web:1', imagePullPolicy: IfNotPresent, {resources}, env: [{{name: A, value: ''}}]"
    short = "image: 'r/web:1', resources: {limits: {cpu: 500m, memory: 1024Mi}}, env: [{name: A}]"
    assert compare(deployment(long), deployment(short), container=("web", "web"), renamed={}) == []
    other = short.replace("1024Mi", "1025Mi")
    (found,) = compare(deployment(long), deployment(other), container=("web", "web"), renamed={})
    assert isinstance(found, Difference)
    assert found.path == "spec.template.spec.containers[web].resources.limits.memory"
