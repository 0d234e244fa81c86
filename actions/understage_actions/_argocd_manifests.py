"""AppProject and Application of a service, and how a project grows. Pure; `argocd:register-app` and `gitops:commit` call it.

A team has one project. It allows the team's repositories to deploy into the team's namespaces, the kinds a service is
made of and nothing of the cluster: what would loosen the namespace's own guardrails (quota, limits, roles) is left out.
"""

import copy
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage_actions._namespace_manifests import MANAGED_BY, TEAM_LABEL

Json = dict[str, Any]

API_VERSION = "argoproj.io/v1alpha1"
NAME_LABEL = "app.kubernetes.io/name"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
IN_CLUSTER_SERVER = "https://kubernetes.default.svc"
NAMESPACED_KINDS = (
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("external-secrets.io", "ExternalSecret"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("grafana.integreatly.org", "GrafanaDashboard"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
)
UNITED = ("sourceRepos", "destinations", "clusterResourceWhitelist", "namespaceResourceWhitelist")


@dataclass(frozen=True)
class Source:
    """Where a chart is: a `path` of a git repository, or the name of a `chart` of a Helm repository."""

    repo_url: str
    target_revision: str
    path: str | None = None
    chart: str | None = None


@dataclass(frozen=True)
class ApplicationSpec:
    """One application. `value_files` are paths in the service's repository `repo_url` at `revision`; `values` win over them.

    `service` is whose it is, where its name does not say so.
    """

    name: str
    team: str
    environment: str | None
    namespace: str
    server: str
    repo_url: str
    revision: str
    chart: Source
    value_files: Sequence[str]
    release_name: str | None
    argocd_namespace: str
    values: Mapping[str, Any] | None = None
    service: str | None = None


def project_manifest(spec: ApplicationSpec) -> Json:
    """The team's AppProject with what this application needs."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AppProject",
        "metadata": {
            "name": spec.team,
            "namespace": spec.argocd_namespace,
            "labels": {**MANAGED_BY, TEAM_LABEL: spec.team},
        },
        "spec": {
            "description": f"Services of team {spec.team}",
            "sourceRepos": sorted({spec.repo_url, spec.chart.repo_url}),
            "destinations": [{"server": spec.server, "namespace": spec.namespace}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in NAMESPACED_KINDS],
        },
    }


def unite_projects(known: Json, wanted: Json) -> Json:
    """`wanted` with the repositories, destinations and kinds that `known` allows beside its own.

    The order is that of `known`, then what is new, so that an unchanged project stays the same text.
    """
    united = copy.deepcopy(wanted)
    before = known.get("spec") if isinstance(known.get("spec"), dict) else {}
    for member in UNITED:
        items = list((before or {}).get(member) or [])
        items += [item for item in united["spec"].get(member) or [] if item not in items]
        united["spec"][member] = items
    return united


def project_covers(known: Json | None, wanted: Json) -> bool:
    """Whether `known` allows all that `wanted` allows."""
    spec = known.get("spec") if known is not None else None
    if not isinstance(spec, dict):
        return False
    return all(item in (spec.get(member) or []) for member in UNITED for item in wanted["spec"].get(member) or [])


def application_manifest(spec: ApplicationSpec) -> Json:
    """The Application: chart and values, automated sync, objects removed with it."""
    # By the service's name all its environments are found: the entity's `argocd/app-selector`.
    named = spec.name.removesuffix(f"-{spec.environment}") if spec.environment is not None else spec.name
    labels = {**MANAGED_BY, NAME_LABEL: spec.service or named, TEAM_LABEL: spec.team}
    if spec.environment is not None:
        labels["environment"] = spec.environment
    return {
        "apiVersion": API_VERSION,
        "kind": "Application",
        "metadata": {
            "name": spec.name,
            "namespace": spec.argocd_namespace,
            "labels": labels,
            "finalizers": [FINALIZER],
        },
        "spec": {
            "project": spec.team,
            **_sources(spec),
            "destination": {"server": spec.server, "namespace": spec.namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
                "syncOptions": [
                    "ServerSideApply=true",
                    "CreateNamespace=false",
                    "PruneLast=true",
                    "ApplyOutOfSyncOnly=true",
                ],
            },
            "revisionHistoryLimit": 10,
        },
    }


def _sources(spec: ApplicationSpec) -> Json:
    """`source` where chart and values are in one repository, else `sources`.

    Argo CD looks up the revision of each source by itself. Right after a commit two sources of one repository may differ, which
    it refuses, and tries again with the same two.
    """
    chart = spec.chart
    if chart.path is not None and (chart.repo_url, chart.target_revision) == (spec.repo_url, spec.revision):
        return {"source": _chart_source(spec, [posixpath.relpath(file, chart.path) for file in spec.value_files])}
    values = {"repoURL": spec.repo_url, "targetRevision": spec.revision, "ref": "values"}
    return {"sources": [_chart_source(spec, [f"$values/{file}" for file in spec.value_files]), values]}


def _chart_source(spec: ApplicationSpec, value_files: Sequence[str]) -> Json:
    where = {"path": spec.chart.path} if spec.chart.path is not None else {"chart": spec.chart.chart}
    helm: Json = {"valueFiles": list(value_files)}
    if spec.release_name is not None:
        helm["releaseName"] = spec.release_name
    if spec.values is not None:
        helm["valuesObject"] = spec.values
    return {"repoURL": spec.chart.repo_url, "targetRevision": spec.chart.target_revision, **where, "helm": helm}
