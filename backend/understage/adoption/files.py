"""The files that a pull request proposes: the entity, the chart with its values, the report. Called with what was proposed.

catalog-info.yaml                    left out when the repository has one
deploy/Chart.yaml                    deploy/<service>/… when there are several
deploy/values.yaml
deploy/environments/<environment>.yaml
deploy/ADOPTION.md
"""

import hashlib
from collections.abc import Sequence

from understage.adoption.outline import Options, Proposal
from understage.adoption.reading import Json
from understage.model.deployed import Deployed
from understage.model.yaml import dump

REPORT = "ADOPTION.md"
LONGEST_RELEASE = 53
LONGEST_ENVIRONMENT = 30
"""So that something is left of a service's name in that of its release."""


def chart_folder(target: str, name: str, *, several: bool) -> str:
    """Where the chart of a service stands."""
    return f"{target}/{name}" if several else target


def release_name(name: str, environment: str) -> str:
    """Name of the Helm release and of the Argo CD Application: another one for every service, also when it has to be cut."""
    whole = f"{name}-{environment}"
    if len(whole) <= LONGEST_RELEASE:
        return whole
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    kept = name[: LONGEST_RELEASE - len(environment) - len(mark) - 2].rstrip("-")
    return f"{kept}-{mark}-{environment}"


def proposed_files(
    proposals: Sequence[tuple[Proposal, str]],
    options: Options,
    *,
    target: str,
    chart_version: str,
    has_catalog_info: bool,
) -> dict[str, str]:
    """Texts by path, without the report and the vendored chart. `proposals` come with the namespace of each."""
    files: dict[str, str] = {}
    for proposal, _ in proposals:
        folder = chart_folder(target, proposal.name, several=len(proposals) > 1)
        files.update(chart_files(proposal, options, folder, chart_version))
    if not has_catalog_info and proposals:
        entities = [component(proposal, options, namespace) for proposal, namespace in proposals]
        files["catalog-info.yaml"] = "---\n".join(dump(entity) for entity in entities)
    return files


def chart_files(proposal: Proposal, options: Options, folder: str, chart_version: str) -> dict[str, str]:
    """Chart and values of one service."""
    about: Json = {
        "apiVersion": "v2",
        "name": proposal.name,
        "description": f"How {proposal.name} is deployed",
        "type": "application",
        "version": "0.1.0",
        "dependencies": [{"name": "base-service", "version": chart_version}],
    }
    values = {
        **proposal.values,
        "labels": {key: value for key, value in proposal.values["labels"].items() if key != "environment"},
    }
    header = (
        f"Values of {proposal.name}, made of the objects that ran before it was adopted ({REPORT}).\n"
        "What is not set here has the default of base-service."
    )
    environment = {"base-service": {"labels": {"environment": options.environment}}}
    return {
        f"{folder}/Chart.yaml": dump(about),
        f"{folder}/values.yaml": dump({"base-service": values}, header=header),
        f"{folder}/environments/{options.environment}.yaml": dump(
            environment, header=f"What {proposal.name} has of its own in {options.environment}."
        ),
    }


def component(proposal: Proposal, options: Options, namespace: str) -> Json:
    """The entity of the catalog."""
    spec: Json = {
        "type": "service",
        "lifecycle": "production" if options.environment == "production" else "experimental",
        "owner": options.owner,
    }
    if options.system:
        spec["system"] = options.system
    said = deployed(proposal, options, namespace)
    metadata: Json = {"name": proposal.name, "annotations": said.annotations()}
    if links := said.links():
        metadata["links"] = links
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": metadata, "spec": spec}


def deployed(proposal: Proposal, options: Options, namespace: str) -> Deployed:
    """Where it is deployed. Its pods keep the labels that selected them, which other namespaces may have, too."""
    return Deployed(
        service=proposal.name,
        team=options.team,
        pods=proposal.values["selectorLabels"],
        namespace=namespace,
        argocd_url=options.argocd_url,
        grafana_url=options.grafana_url,
    )
