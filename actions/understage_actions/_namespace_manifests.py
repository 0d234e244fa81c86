"""The objects that make a namespace a safe place for a service. Called by `kubernetes:create-namespace`.

What a Kubernetes administrator expects: owner labels, Pod Security, quota, default limits, default-deny network policies
with the few allowances a service needs, and the team's role. Pure: the same arguments give the same manifests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM_LABEL = "team"
ENVIRONMENT_LABEL = "environment"
MANAGED_BY = {"app.kubernetes.io/managed-by": "understage"}


@dataclass(frozen=True)
class NamespaceSpec:
    """What to make. `quota` is the ResourceQuota's `hard`; `limits` the LimitRange's defaults of a container."""

    name: str
    team: str
    environment: str
    group: str
    role: str
    quota: Mapping[str, str]
    default_requests: Mapping[str, str]
    default_limits: Mapping[str, str]
    pod_security: str
    gateway_namespace: str
    monitoring_namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def namespace_manifests(spec: NamespaceSpec) -> list[Json]:
    """The manifests in the order to apply them: the Namespace first."""
    return [
        _namespace(spec),
        _object(spec, "v1", "ResourceQuota", "quota", {"hard": dict(spec.quota)}),
        _object(spec, "v1", "LimitRange", "limits", {"limits": [_container_limits(spec)]}),
        *_network_policies(spec),
        _role_binding(spec),
    ]


def _namespace(spec: NamespaceSpec) -> Json:
    security = {f"pod-security.kubernetes.io/{mode}": spec.pod_security for mode in ("enforce", "warn", "audit")}
    labels = {**spec.labels, **MANAGED_BY, TEAM_LABEL: spec.team, ENVIRONMENT_LABEL: spec.environment, **security}
    metadata: Json = {"name": spec.name, "labels": labels}
    if spec.annotations:
        metadata["annotations"] = dict(spec.annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _container_limits(spec: NamespaceSpec) -> Json:
    return {
        "type": "Container",
        "default": dict(spec.default_limits),
        "defaultRequest": dict(spec.default_requests),
    }


def _network_policies(spec: NamespaceSpec) -> list[Json]:
    dns = {
        "to": [{**_namespace_peer("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
    return [
        _policy(spec, "default-deny", ["Ingress", "Egress"], {}),
        _policy(spec, "allow-dns", ["Egress"], {"egress": [dns]}),
        _policy(spec, "allow-gateway", ["Ingress"], {"ingress": [{"from": [_namespace_peer(spec.gateway_namespace)]}]}),
        _policy(
            spec, "allow-monitoring", ["Ingress"], {"ingress": [{"from": [_namespace_peer(spec.monitoring_namespace)]}]}
        ),
    ]


def _policy(spec: NamespaceSpec, name: str, types: list[str], rules: Json) -> Json:
    return _object(
        spec, "networking.k8s.io/v1", "NetworkPolicy", name, {"podSelector": {}, "policyTypes": types, **rules}
    )


def _namespace_peer(name: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _role_binding(spec: NamespaceSpec) -> Json:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        # The role is part of the name: a binding's role cannot be changed.
        "metadata": _metadata(spec, f"team-{spec.role}"),
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": spec.role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": spec.group}],
    }


def _object(spec: NamespaceSpec, api_version: str, kind: str, name: str, content: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": _metadata(spec, name), "spec": content}


def _metadata(spec: NamespaceSpec, name: str) -> Json:
    return {"name": name, "namespace": spec.name, "labels": {**MANAGED_BY, TEAM_LABEL: spec.team}}
