"""Argo CD outside of the cluster that it deploys to: repo server, application controller, controller of ApplicationSets,
API server, redis.

It keeps its objects in the cluster's namespace `argocd`, as always, and knows the cluster by its real URL: Applications
name `ArgoCd.destination`, since `https://kubernetes.default.svc` means nothing out here. Charts are rendered by the
helm of the bench. Its pages are not built; the REST API is there.
"""

import base64
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from tests.cluster import tools
from tests.cluster.bench.cluster import Cluster, Manifest
from tests.cluster.bench.http import answers, open_client
from tests.cluster.bench.process import BenchError, Process, free_port, running, wait_for
from tests.cluster.tools import Report

START_SECONDS = 120.0
NAMESPACE = "argocd"
ACCOUNT = "understage"
RESYNC_SECONDS = 10


@dataclass(frozen=True)
class ArgoCd:
    """A running Argo CD. `token` belongs to an account that may do everything and does not expire."""

    url: str
    password: str
    token: str
    destination: str
    cluster: Cluster
    folder: Path
    http: httpx.Client = field(repr=False, kw_only=True)
    processes: list[Process] = field(default_factory=list)
    username: str = "admin"
    namespace: str = NAMESPACE

    @classmethod
    @contextmanager
    def running(cls, folder: Path, cluster: Cluster, report: Report = print) -> Iterator[Self]:
        """Start an Argo CD for `cluster`, with logs in `folder`, end it on leaving. BenchError when it fails."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("argocd: starting")
        _install(cluster)
        with ExitStack() as stack:
            http = stack.enter_context(open_client())
            url = f"http://127.0.0.1:{free_port()}"
            processes = _start(folder, cluster, url, http, stack)
            password = _initial_password(cluster)
            token = _create_token(http, url, password)
            report(f"argocd: ready at {url}")
            yield cls(url, password, token, cluster.url, cluster, folder, http=http, processes=processes)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request to the REST API with the account's token; `path` begins with `/api/v1`. Raises for nothing."""
        headers = {"Authorization": f"Bearer {self.token}", **(arguments.pop("headers", None) or {})}
        return self.http.request(method, self.url + path, headers=headers, **arguments)

    def add_credentials(self, url: str, username: str, password: str) -> None:
        """Let Argo CD read every repository whose URL begins with `url`."""
        data = {"type": "git", "url": url, "username": username, "password": password}
        self.cluster.apply(_object("Secret", f"credentials-{secrets.token_hex(4)}", "repo-creds", stringData=data))

    def application(self, name: str) -> Manifest | None:
        """The Application, from the cluster; None when there is none."""
        return self.cluster.get(f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/applications/{name}")

    def wait_for_application(
        self, name: str, *, sync: str = "Synced", health: str = "Healthy", seconds: float = 120
    ) -> Manifest:
        """Wait for these states; the Application. BenchError tells the last state and Argo CD's reasons."""
        deadline = time.monotonic() + seconds
        while True:
            status = (self.application(name) or {}).get("status", {})
            states = (status.get("sync", {}).get("status"), status.get("health", {}).get("status"))
            if states == (sync, health):
                return self.application(name) or {}
            if time.monotonic() > deadline:
                raise BenchError(f"application {name} is {states} after {seconds:.0f} s: {self.reasons(name)}")
            time.sleep(0.5)

    def reasons(self, name: str) -> str:
        """What Argo CD says of an Application that does not get there: its conditions, and how far which sync is."""
        status = (self.application(name) or {}).get("status", {})
        said = [condition["message"] for condition in status.get("conditions", [])]
        operation = status.get("operationState", {})
        synced = operation.get("syncResult", {})
        said.append(f"the sync of {synced.get('revision', 'nothing')} is {operation.get('phase', 'not begun')}")
        said.append(operation.get("message", ""))
        said += [
            f"{each['kind']} {each['name']}: {each.get('message', '')}"
            for each in synced.get("resources", [])
            if each.get("status") == "SyncFailed"
        ]
        return "; ".join(part for part in said if part)


def _object(kind: str, name: str, secret_type: str | None = None, **content: Any) -> Manifest:
    labels = {"app.kubernetes.io/part-of": "argocd"}
    if secret_type:
        labels["argocd.argoproj.io/secret-type"] = secret_type
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


def _install(cluster: Cluster) -> None:
    """Put Argo CD's definitions and settings into the cluster, and the cluster into its settings."""
    for name in ("application", "appproject", "applicationset"):
        file = tools.data("argocd", "manifests/crds") / f"{name}-crd.yaml"
        cluster.apply(yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader))
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    settings = {
        "timeout.reconciliation": f"{RESYNC_SECONDS}s",
        "cluster.inClusterEnabled": "false",  # out here it would not be reached
        f"accounts.{ACCOUNT}": "apiKey",
    }
    cluster.apply(_object("ConfigMap", "argocd-cm", data=settings))
    cluster.apply(_object("ConfigMap", "argocd-rbac-cm", data={"policy.csv": f"g, {ACCOUNT}, role:admin"}))
    for name in ("argocd-cmd-params-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-gpg-keys-cm"):
        cluster.apply(_object("ConfigMap", name, data={}))
    cluster.apply(_object("Secret", "argocd-secret", stringData={"server.secretkey": secrets.token_hex(32)}))
    access = f'{{"bearerToken": "{cluster.admin_token}", "tlsClientConfig": {{"insecure": true}}}}'
    known = {"name": "bench", "server": cluster.url, "config": access}
    cluster.apply(_object("Secret", "cluster-bench", "cluster", stringData=known))
    everything = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": everything}
    cluster.apply({**project, "metadata": {"name": "default", "namespace": NAMESPACE}})


def _start(folder: Path, cluster: Cluster, url: str, http: httpx.Client, stack: ExitStack) -> list[Process]:
    """Start redis and the three servers. Returns when they answer."""
    redis, repo = free_port(), free_port()
    environment = _environment(folder)

    def start(role: str, health: str, *arguments: str) -> Process:
        cached = [] if role == "argocd-applicationset-controller" else [f"--redis=127.0.0.1:{redis}"]
        command: list[str | Path] = [tools.binary("argocd"), *cached, *arguments]
        # The controller of ApplicationSets finds the cluster by the variable, the others by their option.
        chosen = {**environment, "ARGOCD_BINARY_NAME": role, "KUBECONFIG": str(cluster.kubeconfig)}
        process = stack.enter_context(running(role, command, folder, environment=chosen))
        process.wait_until(lambda: answers(http, health), START_SECONDS)
        return process

    cache = ["redis-server", "--bind", "127.0.0.1", "--port", str(redis), "--save", "", "--dir", str(folder)]
    of_cluster = [f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}"]
    to_repo = [f"--repo-server=127.0.0.1:{repo}", "--repo-server-plaintext"]
    loopback = ["--address=127.0.0.1", "--metrics-address=127.0.0.1"]
    of_repo, of_controller, of_server = free_port(), free_port(), free_port()  # where their metrics are
    of_sets = free_port()
    return [
        stack.enter_context(running("redis", cache, folder)),
        start(
            "argocd-repo-server", f"http://127.0.0.1:{of_repo}/healthz",
            f"--port={repo}", "--disable-tls", f"--metrics-port={of_repo}", *loopback,
            f"--revision-cache-expiration={RESYNC_SECONDS // 2}s",  # else a commit goes unseen for three minutes
        ),
        start(  # its metrics listen on every address: there is no option against it
            "argocd-application-controller", f"http://127.0.0.1:{of_controller}/healthz",
            f"--metrics-port={of_controller}", *of_cluster, *to_repo,
            f"--app-resync={RESYNC_SECONDS}", "--app-resync-jitter=0",
        ),
        start(
            "argocd-applicationset-controller", f"http://127.0.0.1:{of_sets}/metrics",
            f"--metrics-addr=127.0.0.1:{of_sets}", f"--probe-addr=127.0.0.1:{free_port()}",
            f"--webhook-addr=127.0.0.1:{free_port()}", *of_cluster,
            f"--argocd-repo-server=127.0.0.1:{repo}", "--repo-server-plaintext",
        ),
        start(
            "argocd-server", f"{url}/healthz?full=true",
            f"--port={url.rpartition(':')[2]}", "--insecure", f"--metrics-port={of_server}",
            *loopback, *of_cluster, *to_repo,
        ),
    ]  # fmt: skip


def _environment(folder: Path) -> dict[str, str]:
    """Keep everything in `folder` (the defaults are fixed paths under /app and /tmp), and find helm and itself."""
    for name in ("tmp", "gpg", "tls", "ssh"):
        (folder / name).mkdir()
    path = [tools.binary("helm").parent, tools.binary("argocd").parent, os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(str(part) for part in path),
        "TMPDIR": str(folder / "tmp"),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_GPG_DATA_PATH": str(folder / "gpg"),
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass"),
    }


def _initial_password(cluster: Cluster) -> str:
    """The administrator's password, which the API server makes up and stores at its first start."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/argocd-initial-admin-secret"
    secret = wait_for("Argo CD's first password", lambda: cluster.get(path), START_SECONDS)
    return base64.b64decode(secret["data"]["password"]).decode()


def _create_token(http: httpx.Client, url: str, password: str) -> str:
    """A token of the account `ACCOUNT` that does not expire, made in the administrator's session."""
    session = http.post(f"{url}/api/v1/session", json={"username": "admin", "password": password})
    if session.is_error:
        raise BenchError(f"Argo CD refused its administrator: {session.status_code} {session.text}")
    headers = {"Authorization": f"Bearer {session.json()['token']}"}
    made = http.post(f"{url}/api/v1/account/{ACCOUNT}/token", json={"name": ACCOUNT}, headers=headers)
    if made.is_error:
        raise BenchError(f"Argo CD gave no token: {made.status_code} {made.text}")
    return str(made.json()["token"])
