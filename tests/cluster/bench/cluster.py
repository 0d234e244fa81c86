"""A Kubernetes cluster without containers: etcd, API server, controllers, scheduler, and nodes played by kwok.

Everything that decides is the real thing (admission, RBAC, quota, garbage collection, scheduling); only the kubelets
are not there: kwok reports pods that are bound to its nodes as running. The other parts and the tests use `Cluster`.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.cluster import tools
from tests.cluster.bench.http import answers, open_client
from tests.cluster.bench.process import BenchError, Process, free_port, running, wait_for
from tests.cluster.tools import Report

START_SECONDS = 90.0
NODES = 2
FIELD_MANAGER = "bench"
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `admin_token` may do everything, `developer_token` (user and group below) nothing by itself."""

    url: str
    admin_token: str
    developer_token: str
    kubeconfig: Path
    developer_kubeconfig: Path
    folder: Path
    processes: list[Process] = field(default_factory=list)
    http: httpx.Client = field(repr=False, kw_only=True)
    developer: str = "developer"
    developer_group: str = "developers"
    _resources: dict[str, list[dict[str, Any]]] = field(repr=False, default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, report: Report = print) -> Iterator[Self]:
        """Start a cluster that keeps its data and logs in `folder`, end it on leaving. BenchError when it fails."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as stack:
            url, tokens = f"https://127.0.0.1:{free_port()}", [secrets.token_hex(16) for _ in range(2)]
            http = stack.enter_context(open_client())
            cluster = cls(
                url=url,
                admin_token=tokens[0],
                developer_token=tokens[1],
                kubeconfig=write_kubeconfig(folder / "admin.kubeconfig", url, "admin", tokens[0]),
                developer_kubeconfig=write_kubeconfig(folder / "developer.kubeconfig", url, "developer", tokens[1]),
                folder=folder,
                http=http,
            )
            cluster.processes.extend(_start(cluster, stack, report))
            yield cluster

    @property
    def certificate(self) -> Path:
        """The PEM file that verifies the API server's certificate, for clients that do not skip it."""
        return self.folder / "apiserver" / "apiserver.crt"

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        user: str | None = None,
        groups: Sequence[str] = (),
        **arguments: Any,
    ) -> httpx.Response:
        """Send a request to the API server as the administrator, as the holder of `token`, or impersonating `user`.

        `path` begins with /; `arguments` are httpx's (`json`, `params`, `headers`, `content`). Raises for nothing.
        """
        headers = httpx.Headers(arguments.pop("headers", None))
        headers["Authorization"] = f"Bearer {token or self.admin_token}"
        identity = [("Impersonate-User", user)] if user else []
        identity += [("Impersonate-Group", group) for group in groups]
        return self.http.request(method, self.url + path, headers=[*headers.multi_items(), *identity], **arguments)

    def get(self, path: str) -> Manifest | None:
        """The object or list at `path`; None when it is not there; BenchError for any other answer."""
        answer = self.request("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _checked(answer)

    def apply(self, manifest: Manifest) -> Manifest:
        """Apply an object on the server's side, as the administrator; the stored object. BenchError when refused."""
        return _checked(
            self.request(
                "PATCH",
                self.path_of(manifest),
                params={"fieldManager": FIELD_MANAGER, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=json.dumps(manifest),
            )
        )

    def delete(self, path: str, *, seconds: float = 60) -> None:
        """Delete the object at `path` and wait until it is gone (a namespace takes a few seconds)."""
        answer = self.request("DELETE", path)
        if answer.status_code != httpx.codes.NOT_FOUND:
            _checked(answer)
        wait_for(f"deletion of {path}", lambda: True if self.get(path) is None else None, seconds)

    def path_of(self, manifest: Manifest) -> str:
        """The URL path of the object that a manifest describes."""
        version, metadata = manifest["apiVersion"], manifest["metadata"]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        resource = wait_for(
            f"kind {manifest['kind']} of {version}", lambda: self._resource(group, manifest["kind"]), 15
        )
        namespace = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
        return f"{group}{namespace}/{resource['name']}/{metadata['name']}"

    def pods(self, namespace: str, phase: str = "Running") -> list[Manifest]:
        """The pods of a namespace that are in `phase`."""
        listed = self.get(f"/api/v1/namespaces/{namespace}/pods?fieldSelector=status.phase={phase}") or {"items": []}
        return list(listed["items"])

    def _resource(self, group: str, kind: str) -> dict[str, Any] | None:
        for resource in self._resources.get(group, ()):
            if resource["kind"] == kind and "/" not in resource["name"]:
                return resource
        # not known: not asked yet, or a CustomResourceDefinition that is not served yet
        self._resources[group] = (self.get(group) or {"resources": []})["resources"]
        return next((r for r in self._resources[group] if r["kind"] == kind and "/" not in r["name"]), None)


def _checked(answer: httpx.Response) -> Manifest:
    if answer.is_error:
        raise BenchError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    return dict(answer.json())


def _start(cluster: Cluster, stack: ExitStack, report: Report) -> list[Process]:
    """Start the five servers and the nodes. Returns when the nodes are ready for pods."""
    report("cluster: starting etcd and the API server")
    etcd, etcd_url = _start_etcd(cluster.folder, stack)
    apiserver = _start_apiserver(cluster, etcd_url, stack)
    apiserver.wait_until(lambda: answers(cluster.http, f"{cluster.url}/readyz", cluster.admin_token), START_SECONDS)
    report("cluster: starting controllers, scheduler and nodes")
    others = [_start_client(cluster, name, stack) for name in ("kube-controller-manager", "kube-scheduler")]
    kwok = stack.enter_context(running("kwok", _kwok_command(cluster), cluster.folder))
    for number in range(NODES):
        cluster.apply(_node(f"node-{number}"))
    kwok.wait_until(lambda: _ready_nodes(cluster) == NODES, START_SECONDS)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    others[0].wait_until(lambda: cluster.get(account) is not None, START_SECONDS)
    report(f"cluster: ready at {cluster.url}")
    return [etcd, apiserver, *others, kwok]


def _start_etcd(folder: Path, stack: ExitStack) -> tuple[Process, str]:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command: list[str | Path] = [
        tools.binary("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]
    process = stack.enter_context(running("etcd", command, folder))
    with open_client() as http:
        process.wait_until(lambda: answers(http, f"{client}/readyz"), START_SECONDS)
    return process, client


def _start_apiserver(cluster: Cluster, etcd_url: str, stack: ExitStack) -> Process:
    folder = cluster.folder
    _write_keys(folder)
    users = [
        f'{cluster.admin_token},admin,admin,"system:masters"',
        f'{cluster.developer_token},{cluster.developer},{cluster.developer},"{cluster.developer_group}"',
    ]
    (folder / "tokens.csv").write_text("\n".join(users) + "\n")
    command: list[str | Path] = [
        tools.binary("kubernetes", "kube-apiserver"),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={cluster.url.rpartition(':')[2]}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={folder / 'apiserver'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-issuer={cluster.url}",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--authorization-mode=RBAC",
        # As where agents of nodes run: who may be privileged is left to policies.
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--disable-admission-plugins=ServiceAccount",
    ]
    return stack.enter_context(running("kube-apiserver", command, folder))


def _start_client(cluster: Cluster, name: str, stack: ExitStack) -> Process:
    """Start the controller manager or the scheduler."""
    command: list[str | Path] = [
        tools.binary("kubernetes", name),
        f"--kubeconfig={cluster.kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={cluster.folder / name}",
    ]
    if name == "kube-controller-manager":
        # Each controller under an account of its own, as in clusters that people run: policies may ask who it is.
        command += [
            f"--service-account-private-key-file={cluster.folder / 'sa.key'}",
            "--use-service-account-credentials=true",
        ]
    return stack.enter_context(running(name, command, cluster.folder))


def _kwok_command(cluster: Cluster) -> list[str | Path]:
    stages = tools.data("kwok", "kustomize/stage")
    command: list[str | Path] = [
        tools.binary("kwok"),
        f"--kubeconfig={cluster.kubeconfig}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
    ]
    return [*command, *(f"--config={stages / stage}" for stage in STAGES)]


def _node(name: str) -> Manifest:
    room = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "status": {"allocatable": room, "capacity": room},
    }


def _ready_nodes(cluster: Cluster) -> int:
    """How many nodes take pods: ready, and no longer tainted by the node life cycle controller."""
    nodes = (cluster.get("/api/v1/nodes") or {"items": []})["items"]
    ready = [
        node
        for node in nodes
        if not node["spec"].get("taints")
        and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    ]
    return len(ready)


def write_kubeconfig(path: Path, url: str, user: str, token: str) -> Path:
    """Write a kubeconfig with one context (JSON is YAML)."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": user}}],
    }
    path.write_text(json.dumps(config, indent=2))
    path.chmod(0o600)
    return path


def _write_keys(folder: Path) -> None:
    """Write the key pair that service account tokens are signed with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (folder / "sa.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
