"""Good and bad objects, with the rules that each breaks: what every engine of the guardrails must say of them.

Bad ones are good ones with one change. Changes of pods are made in every kind of workload.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Change = Callable[[Json], None]

IMAGE = "registry.example.com/payments/ledger:1.0.0"
LABELS = {"app.kubernetes.io/name": "ledger", "team": "payments"}


@dataclass(frozen=True)
class Case:
    """An object, and the names of the rules that it breaks."""

    id: str
    object: Json
    breaks: frozenset[str]


def corpus() -> list[Case]:
    """All of them; the good ones first."""
    return [*_good(), *_bad_workloads(), *_bad_others()]


def named_cases() -> list[Case]:
    """Those that are about the object's own name: who asks of them must leave it."""
    open_ways: dict[str, Json] = {
        "some pods": {"podSelector": {"matchLabels": {"app": "none"}}},
        "pods by an expression": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        "one way": {"policyTypes": ["Egress"]},
        "neighbours let in": {"ingress": [{"from": [{"podSelector": {}}]}]},
        "all let out": {"egress": [{}]},
    }
    made: list[tuple[str, Json, frozenset[str]]] = [("good: what closes the namespace", {}, frozenset())]
    made += [(f"default-deny, {name}", change, frozenset({"default-deny"})) for name, change in open_ways.items()]
    return [
        Case(name, _named("networking.k8s.io/v1", "NetworkPolicy", "default-deny", spec={**DENY, **change}), breaks)
        for name, change, breaks in made
    ]


def _container(name: str = "ledger", **members: Any) -> Json:
    return {
        "name": name,
        "image": IMAGE,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **members,
    }


def _pod(**members: Any) -> Json:
    return {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container()],
        "initContainers": [_container("migrate")],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        **members,
    }


def _named(api_version: str, kind: str, name: str, **members: Any) -> Json:
    metadata = {"name": name, "namespace": "guarded", "labels": dict(LABELS)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}


def _workloads(pod: Json) -> Iterator[tuple[str, Json]]:
    """The pod by itself, and in each kind that makes pods."""
    template = {"metadata": {"labels": dict(LABELS)}, "spec": pod}
    finite = {**template, "spec": {**pod, "restartPolicy": "Never"}}
    selector = {"matchLabels": dict(LABELS)}
    yield "Pod", _named("v1", "Pod", "ledger", spec=pod)
    yield "Deployment", _named("apps/v1", "Deployment", "ledger", spec={"selector": selector, "template": template})
    yield "ReplicaSet", _named("apps/v1", "ReplicaSet", "ledger", spec={"selector": selector, "template": template})
    yield (
        "StatefulSet",
        _named(
            "apps/v1", "StatefulSet", "ledger", spec={"serviceName": "x", "selector": selector, "template": template}
        ),
    )
    yield "DaemonSet", _named("apps/v1", "DaemonSet", "ledger", spec={"selector": selector, "template": template})
    yield "Job", _named("batch/v1", "Job", "ledger", spec={"template": finite})
    yield (
        "CronJob",
        _named(
            "batch/v1",
            "CronJob",
            "ledger",
            spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": finite}}},
        ),
    )
    yield (
        "ReplicationController",
        _named("v1", "ReplicationController", "ledger", spec={"selector": dict(LABELS), "template": template}),
    )
    yield "PodTemplate", _named("v1", "PodTemplate", "ledger", template=template)


def _change(*path: str | int, to: Any) -> Change:
    """A change of one member of a pod's spec; `...` takes it away."""

    def change(pod: Json) -> None:
        part: Any = pod
        for name in path[:-1]:
            part = part[name] if isinstance(name, int) else part.setdefault(name, {})
        if to is ...:
            del part[path[-1]]
        else:
            part[path[-1]] = to

    return change


def _of(list_name: str, *path: str | int, to: Any) -> Change:
    return _change(list_name, 0, *path, to=to)


def _both(*changes: Change) -> Change:
    def change(pod: Json) -> None:
        for each in changes:
            each(pod)

    return change


DENY: Json = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
CLAIM: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

CHANGES: dict[str, tuple[Change, set[str]]] = {
    "no resources": (_of("containers", "resources", to={}), {"resources"}),
    "no memory limit": (_of("containers", "resources", "limits", to={"cpu": "1"}), {"resources"}),
    "no request for CPU in an init container": (
        _of("initContainers", "resources", to={"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}}),
        {"resources"},
    ),
    "latest": (_of("containers", "image", to="registry.example.com/a/b:latest"), {"image-tag"}),
    "no tag": (_of("initContainers", "image", to="registry.example.com/a/b"), {"image-tag"}),
    "no tag, a port": (_of("containers", "image", to="registry.example.com:5000/a"), {"image-tag", "registries"}),
    "another registry": (_of("containers", "image", to="docker.io/library/nginx:1.0"), {"registries"}),
    "a registry that begins alike": (
        _of("containers", "image", to="registry.example.com.evil.org/a:1.0"),
        {"registries"},
    ),
    "escalation": (_of("containers", "securityContext", "allowPrivilegeEscalation", to=True), {"privileges"}),
    "escalation by default": (
        _of("initContainers", "securityContext", "allowPrivilegeEscalation", to=...),
        {"privileges"},
    ),
    "all capabilities kept": (_of("containers", "securityContext", "capabilities", to=...), {"privileges"}),
    "a capability": (
        _of("containers", "securityContext", "capabilities", "add", to=["SYS_TIME"]),
        {"privileges"},
    ),
    "no security context": (
        _of("containers", "securityContext", to=...),
        {"privileges", "read-only"},
    ),
    "root in the pod": (_change("securityContext", "runAsNonRoot", to=...), {"non-root"}),
    "root in a container": (_of("containers", "securityContext", "runAsNonRoot", to=False), {"non-root"}),
    "user 0": (_of("containers", "securityContext", "runAsUser", to=0), {"non-root"}),
    "no seccomp": (_change("securityContext", "seccompProfile", to=...), {"seccomp"}),
    "unconfined": (_of("initContainers", "securityContext", "seccompProfile", to={"type": "Unconfined"}), {"seccomp"}),
    "no AppArmor": (_of("containers", "securityContext", "appArmorProfile", to={"type": "Unconfined"}), {"seccomp"}),
    "writable": (_of("containers", "securityContext", "readOnlyRootFilesystem", to=False), {"read-only"}),
    "a port of the node": (_of("containers", "ports", to=[{"containerPort": 80, "hostPort": 80}]), {"host-ports"}),
    "network of the node": (_change("hostNetwork", to=True), {"host-namespaces"}),
    "processes of the node": (_change("hostPID", to=True), {"host-namespaces"}),
    "memory of the node": (_change("hostIPC", to=True), {"host-namespaces"}),
    "a path of the node": (_change("volumes", to=[{"name": "root", "hostPath": {"path": "/"}}]), {"volumes"}),
    "a driver": (_change("volumes", to=[{"name": "disk", "csi": {"driver": "host.example.com"}}]), {"volumes"}),
    "a file server": (_change("volumes", to=[{"name": "nfs", "nfs": {"server": "a", "path": "/"}}]), {"volumes"}),
    "no AppArmor in the pod": (_change("securityContext", "appArmorProfile", to={"type": "Unconfined"}), {"seccomp"}),
    "an unmasked /proc": (
        _both(_change("hostUsers", to=False), _of("containers", "securityContext", "procMount", to="Unmasked")),
        {"seccomp"},
    ),
    "an unmasked /proc of an init container": (
        _both(_change("hostUsers", to=False), _of("initContainers", "securityContext", "procMount", to="Unmasked")),
        {"seccomp"},
    ),
    "an SELinux type": (_change("securityContext", "seLinuxOptions", to={"type": "spc_t"}), {"selinux"}),
    "an SELinux user": (
        _of("initContainers", "securityContext", "seLinuxOptions", to={"user": "system_u"}),
        {"selinux"},
    ),
    "a probe of another host": (
        _of("containers", "livenessProbe", to={"httpGet": {"host": "169.254.169.254", "port": 80}}),
        {"probe-hosts"},
    ),
    "a hook on another host": (
        _of("containers", "lifecycle", to={"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80, "path": "/"}}}),
        {"probe-hosts"},
    ),
    "a process of a Windows node": (
        _both(_change("hostNetwork", to=True), _change("securityContext", "windowsOptions", to={"hostProcess": True})),
        {"windows-host", "host-namespaces"},
    ),
    "a container of a Windows node": (
        _both(
            _change("hostNetwork", to=True),
            _of("containers", "securityContext", "windowsOptions", to={"hostProcess": True}),
            _of("initContainers", "securityContext", "windowsOptions", to={"hostProcess": True}),
        ),
        {"windows-host", "host-namespaces"},
    ),
    "a sidecar with privileges": (
        _both(
            _of("initContainers", "restartPolicy", to="Always"),
            _of("initContainers", "securityContext", "privileged", to=True),
            _of("initContainers", "securityContext", "allowPrivilegeEscalation", to=True),
        ),
        {"privileges"},
    ),
    "a volume by name": (
        _change(
            "volumes", to=[{"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {**CLAIM, "volumeName": "pv"}}}}]
        ),
        {"volumes"},
    ),
    "another kernel parameter": (
        _change("securityContext", "sysctls", to=[{"name": "net.core.somaxconn", "value": "65535"}]),
        {"sysctls"},
    ),
    "a kernel parameter": (
        _change("securityContext", "sysctls", to=[{"name": "kernel.msgmax", "value": "65536"}]),
        {"sysctls"},
    ),
}


GATEWAY = "gateway.networking.k8s.io/v1"
PATHS: Json = {
    "paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "ledger", "port": {"number": 80}}}}]
}
OWN_HOSTS = {
    "the namespace's host": ["guarded.apps.example.com"],
    "hosts below it": ["api.guarded.apps.example.com", "a.b.guarded.apps.example.com"],
    "all hosts below it": ["*.guarded.apps.example.com"],
}
FOREIGN_HOSTS = {
    "another namespace's host": ["ledger.apps.example.com"],
    "a host below another namespace's": ["guarded.ledger.apps.example.com"],
    "its own host and another's": ["guarded.apps.example.com", "shop.apps.example.com"],
    "a host that ends alike": ["unguarded.apps.example.com"],
    "its own name elsewhere": ["guarded.apps.example.com.evil.org"],
    "everybody's hosts": ["*.apps.example.com"],
    "a host that nobody granted": ["shop.example.com"],
}


def _good() -> Iterator[Case]:
    variants: dict[str, Json] = {
        "plain": _pod(),
        "no init containers": {name: part for name, part in _pod().items() if name != "initContainers"},
        "a digest": _pod(containers=[_container(image=f"registry.example.com/a/b@sha256:{'a' * 64}")]),
        "a low port": _pod(
            containers=[
                _container(
                    securityContext={
                        **_container()["securityContext"],
                        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                    }
                )
            ]
        ),
        "secure by container": _pod(
            securityContext={},
            initContainers=[],
            containers=[
                _container(
                    securityContext={
                        **_container()["securityContext"],
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    }
                )
            ],
        ),
        "a safe kernel parameter": _pod(
            securityContext={
                **_pod()["securityContext"],
                "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}],
            }
        ),
    }
    for name, pod in variants.items():
        for kind, item in _workloads(pod):
            yield Case(f"good: {name}, {kind}", item, frozenset())
    for name, item in _others():
        yield Case(f"good: {name}", item, frozenset())


def _bad_workloads() -> Iterator[Case]:
    for name, (change, breaks) in CHANGES.items():
        pod = copy.deepcopy(_pod())
        change(pod)
        for kind, item in _workloads(pod):
            yield Case(f"{name}, {kind}", copy.deepcopy(item), frozenset(breaks))
    for kind, item in _workloads(_pod()):
        for label in LABELS:
            unlabelled = copy.deepcopy(item)
            del unlabelled["metadata"]["labels"][label]
            yield Case(f"no label {label}, {kind}", unlabelled, frozenset({"labels"}))
        if kind in ("Pod", "ReplicaSet"):
            for is_controller in (True, False):
                owned = copy.deepcopy(item)
                owner = {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "ledger",
                    "uid": "0",
                    "controller": is_controller,
                }
                owned["metadata"] |= {"labels": {}, "ownerReferences": [owner]}
                breaks = frozenset() if is_controller else frozenset({"labels"})
                yield Case(f"no labels, controlled {is_controller}, {kind}", owned, breaks)


def _others() -> Iterator[tuple[str, Json]]:
    ports = [{"port": 80}]
    yield "a service", _named("v1", "Service", "ledger", spec={"ports": ports, "selector": dict(LABELS)})
    api = "networking.k8s.io/v1"
    yield "nobody comes in", _named(api, "NetworkPolicy", "ledger", spec=dict(DENY))
    some = [{"from": [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"a": "b"}}}]}]
    yield "some come in", _named(api, "NetworkPolicy", "ledger", spec={"podSelector": {}, "ingress": some})
    office = [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]
    yield "an office comes in", _named(api, "NetworkPolicy", "ledger", spec={"podSelector": {}, "ingress": office})
    rbac = "rbac.authorization.k8s.io"
    own = {"apiGroup": rbac, "kind": "Role", "name": "anything"}
    view = {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"}
    yield "a binding of a role", _named(f"{rbac}/v1", "RoleBinding", "ledger", roleRef=own, subjects=[])
    yield "a binding of view", _named(f"{rbac}/v1", "RoleBinding", "ledger", roleRef=view, subjects=[])
    yield "a claim", _named("v1", "PersistentVolumeClaim", "ledger", spec=CLAIM)
    for name, hosts in OWN_HOSTS.items():
        yield f"a route, {name}", _named(GATEWAY, "HTTPRoute", "ledger", spec={"hostnames": hosts})
        ingress = [{"host": host, "http": PATHS} for host in hosts]
        yield f"an ingress, {name}", _named(api, "Ingress", "ledger", spec={"rules": ingress})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    yield "a role", _named(f"{rbac}/v1", "Role", "ledger", rules=rules)


def _bad_others() -> Iterator[Case]:
    good = dict(_others())

    def bad(name: str, breaks: str, base: str, **members: Any) -> Case:
        return Case(name, {**copy.deepcopy(good[base]), **members}, frozenset({breaks}))

    selector = dict(LABELS)
    for kind in ("NodePort", "LoadBalancer"):
        spec = {"type": kind, "ports": [{"port": 80}], "selector": selector}
        yield bad(f"a {kind}", "service-types", "a service", spec=spec)
    spec = {"ports": [{"port": 80}], "selector": selector, "externalIPs": ["192.0.2.1"]}
    yield bad("an external address", "service-types", "a service", spec=spec)
    for name, hosts in FOREIGN_HOSTS.items():
        yield bad(f"a route, {name}", "route-hosts", "a route, hosts below it", spec={"hostnames": hosts})
        rules = [{"host": host, "http": PATHS} for host in hosts]
        yield bad(f"an ingress, {name}", "ingress-hosts", "an ingress, hosts below it", spec={"rules": rules})
    yield bad("a route, all hosts", "route-hosts", "a route, hosts below it", spec={"rules": []})
    yield bad("a route, no hosts", "route-hosts", "a route, hosts below it", spec={"hostnames": []})
    yield bad("an ingress, all hosts", "ingress-hosts", "an ingress, hosts below it", spec={"rules": [{"http": PATHS}]})
    backend = PATHS["paths"][0]["backend"]
    yield bad("an ingress of the rest", "ingress-hosts", "an ingress, hosts below it", spec={"defaultBackend": backend})
    yield bad("a volume of somebody", "claims", "a claim", spec={**CLAIM, "volumeName": "pv-of-another-team"})
    yield bad("a volume by labels", "claims", "a claim", spec={**CLAIM, "selector": {"matchLabels": {"of": "others"}}})
    everybody: dict[str, list[Json]] = {
        "everybody": [{}],
        "everybody, by an empty list": [{"from": []}],
        "everybody, on a port": [{"ports": [{"port": 80}]}],
        "the Internet": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        "the newer Internet": [{"from": [{"ipBlock": {"cidr": "::/0"}}]}],
        "all namespaces": [{"from": [{"namespaceSelector": {}}]}],
        "all namespaces besides": [{"from": [{"podSelector": {}}]}, {"from": [{"namespaceSelector": {}}]}],
    }
    for name, ingress in everybody.items():
        spec = {"podSelector": {}, "ingress": ingress}
        yield bad(f"{name} comes in", "open-network", "nobody comes in", spec=spec)
    for role in ("cluster-admin", "admin", "system:controller:job-controller"):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        yield bad(f"a binding of {role}", "cluster-roles", "a binding of view", roleRef=reference)
    much: dict[str, Json] = {
        "every verb": {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
        "every resource": {"apiGroups": [""], "resources": ["*"], "verbs": ["get"]},
        "every group": {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
        "escalation": {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]},
        "binding": {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "bind"]},
        "impersonation": {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
    }
    for name, rule in much.items():
        yield bad(f"a role of {name}", "role-rules", "a role", rules=[rule])
