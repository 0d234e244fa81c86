"""The objects of a cloned environment: namespace, project, applications, secrets, databases. Called by `environment:clone`. Pure.

The clone has an AppProject of its own, whose only destination is its namespace: whatever a chart renders, it cannot reach the
environment that was cloned. All that runs is in the namespace and goes with it, so neither project nor Applications have a
finalizer: with one they would have to be removed in an order, and an order (`PruneLast`, sync waves) makes Argo CD wait until
everything of every team is healthy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from understage_actions._argocd_manifests import (
    ApplicationSpec,
    Source,
    application_manifest,
    project_manifest,
)
from understage_actions._clone_sources import Deployment
from understage_actions._clone_values import secret_name
from understage_actions._gitops_layout import clone_namespace
from understage_actions._namespace_manifests import ENVIRONMENT_LABEL, MANAGED_BY, TEAM_LABEL
from understage_actions._time_to_live import expiry_annotations, expiry_labels
from understage_actions._vault_manifests import AS_IT_IS, clone_path, secret_target

Json = dict[str, Any]

GENERATORS = "generators.external-secrets.io/v1alpha1"
GENERATOR = "clone"
PASSWORD_LENGTH = 40


@dataclass(frozen=True)
class CloneSpec:
    """One environment. `vault_path` is where values are that cannot be made up."""

    name: str
    team: str
    owner: str
    expires_at: datetime
    argocd_namespace: str

    @property
    def namespace(self) -> str:
        """Its namespace, its project, and the value of its label `environment`."""
        return clone_namespace(self.name)

    @property
    def vault_path(self) -> str:
        """The folder of its own secrets."""
        return clone_path(self.team, self.namespace)


@dataclass(frozen=True)
class Issued:
    """The variables of a service's secret: made up, or read from the clone's own path in Vault."""

    service: str
    generated: Sequence[str] = ()
    stored: Sequence[str] = ()


def application_name(spec: CloneSpec, service: str) -> str:
    """Of the Application of a service."""
    return f"{service}-{spec.namespace}"


def describe(spec: CloneSpec, manifest: Json) -> Json:
    """The manifest with owner and end."""
    metadata = manifest["metadata"]
    labels = {**(metadata.get("labels") or {}), **expiry_labels(spec.expires_at)}
    annotations = {**(metadata.get("annotations") or {}), **expiry_annotations(spec.expires_at, spec.owner)}
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def project_and_applications(
    spec: CloneSpec, deployments: Sequence[Deployment], values: Mapping[str, Json]
) -> tuple[Json, list[Json]]:
    """The project, and an Application for each deployment; `values` are laid over those of its service."""
    project: Json | None = None
    applications: list[Json] = []
    for deployment in deployments:
        described = _specify(spec, deployment, values[deployment.service])
        wanted = project_manifest(described)
        if project is None:
            project = wanted
            project["metadata"]["name"] = spec.namespace
            project["spec"]["description"] = f"Environment {spec.name} of team {spec.team}, for a while"
        repositories = {*project["spec"]["sourceRepos"], *wanted["spec"]["sourceRepos"]}
        project["spec"]["sourceRepos"] = sorted(repositories)
        project["spec"]["destinations"] += [
            destination
            for destination in wanted["spec"]["destinations"]
            if destination not in project["spec"]["destinations"]
        ]
        application = application_manifest(described)
        application["spec"]["project"] = spec.namespace
        del application["metadata"]["finalizers"]
        applications.append(describe(spec, application))
    assert project is not None
    return describe(spec, project), applications


def _specify(spec: CloneSpec, deployment: Deployment, values: Json) -> ApplicationSpec:
    return ApplicationSpec(
        name=application_name(spec, deployment.service),
        team=spec.team,
        environment=spec.namespace,
        namespace=spec.namespace,
        server=deployment.server,
        repo_url=deployment.values_url,
        revision=deployment.values_revision,
        chart=Source(deployment.chart_url, deployment.chart_revision, deployment.chart_path),
        value_files=deployment.value_files,
        release_name=deployment.service,
        argocd_namespace=spec.argocd_namespace,
        values=values,
    )


def secret_manifests(spec: CloneSpec, issued: Sequence[Issued], store: str) -> list[Json]:
    """ExternalSecrets that make new values, once, or read the clone's own; never those of another environment."""
    manifests: list[Json] = []
    if any(item.generated for item in issued):
        content: Json = {"length": PASSWORD_LENGTH, "digits": 8, "symbols": 0, "noUpper": False, "allowRepeat": True}
        manifests.append(_object(spec, GENERATORS, "Password", GENERATOR, content))
    for item in issued:
        content = {
            "refreshPolicy": "CreatedOnce",
            "target": secret_target(secret_name(item.service)),
        }
        if item.generated:
            content["dataFrom"] = [_made_up(variable) for variable in item.generated]
        if item.stored:
            key = f"{spec.vault_path}/{item.service}"
            content["secretStoreRef"] = {"kind": "SecretStore", "name": store}
            content["data"] = [
                {"secretKey": variable, "remoteRef": {**AS_IT_IS, "key": key, "property": variable}}
                for variable in item.stored
            ]
        manifests.append(_object(spec, "external-secrets.io/v1", "ExternalSecret", secret_name(item.service), content))
    return manifests


def _made_up(variable: str) -> Json:
    reference = {"apiVersion": GENERATORS, "kind": "Password", "name": GENERATOR}
    return {
        "sourceRef": {"generatorRef": reference},
        "rewrite": [{"regexp": {"source": "^password$", "target": variable}}],
    }


def _object(spec: CloneSpec, version: str, kind: str, name: str, content: Json) -> Json:
    labels = {**MANAGED_BY, TEAM_LABEL: spec.team, ENVIRONMENT_LABEL: spec.namespace}
    metadata = {"name": name, "namespace": spec.namespace, "labels": labels}
    return describe(spec, {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": content})
