"""A store of secrets: OpenBao, which has the programming interface of Vault, in memory, with the cluster's logins.

It is set up as docs/guides/secrets.md tells the platform team; what namespaces may read is for the tests to say.
"""

import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from tests.cluster import tools
from tests.cluster.bench.cluster import Cluster
from tests.cluster.bench.http import answers, open_client
from tests.cluster.bench.process import BenchError, Process, free_port, running
from tests.cluster.tools import Report

START_SECONDS = 60.0
SCRIPT_SECONDS = 120.0
HOME = {"name": "vault", "namespace": "openbao"}


@dataclass(frozen=True)
class Vault:
    """A running one. `token` may do everything."""

    url: str
    token: str
    folder: Path
    http: httpx.Client = field(repr=False, kw_only=True)
    processes: list[Process] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, cluster: Cluster, report: Report = print) -> Iterator[Self]:
        """Start one that takes service accounts of `cluster`, end it on leaving. BenchError when it fails."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("vault: starting")
        address, token = f"127.0.0.1:{free_port()}", secrets.token_hex(16)
        command: list[str | Path] = [
            tools.binary("openbao", "bao"),
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={token}",
            f"-dev-listen-address={address}",
        ]
        url = f"http://{address}"
        server = running("openbao", command, folder, environment={"HOME": str(folder)})
        with open_client() as http, server as process:
            process.wait_until(lambda: answers(http, f"{url}/v1/sys/health"), START_SECONDS)
            vault = cls(url, token, folder, http=http, processes=[process])
            vault._take_logins(cluster)
            report(f"vault: ready at {url}")
            yield vault

    def request(self, method: str, path: str, *, token: str | None = None, **arguments: Any) -> httpx.Response:
        """Send a request as the administrator, or as the holder of `token`; `path` is below /v1/. Raises for nothing."""
        return self.http.request(
            method, f"{self.url}/v1/{path}", headers={"X-Vault-Token": token or self.token}, **arguments
        )

    def put(self, path: str, values: Mapping[str, str]) -> None:
        """Write a secret of the key-value engine `secret`."""
        self._do("POST", f"secret/data/{path}", {"data": dict(values)})

    def run_script(self, script: str) -> None:
        """Run commands of `vault` as the administrator. BenchError with what they said when one fails."""
        commands = self.folder / "bin"
        commands.mkdir(exist_ok=True)
        if not (commands / "vault").exists():
            (commands / "vault").symlink_to(tools.binary("openbao", "bao"))
        ran = subprocess.run(
            ["sh", "-s"],
            input=script,
            env={
                "PATH": f"{commands}:/usr/bin:/bin",
                "HOME": str(self.folder),
                "VAULT_ADDR": self.url,
                "VAULT_TOKEN": self.token,
            },
            capture_output=True,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise BenchError(f"the script ended with exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")

    def _take_logins(self, cluster: Cluster) -> None:
        """The Kubernetes authentication, with an account that may review tokens and read labels of namespaces."""
        namespace, account = HOME["namespace"], {"kind": "ServiceAccount", **HOME}
        rbac = "rbac.authorization.k8s.io"
        reading = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": HOME})
        cluster.apply(
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": "vault-namespaces"},
                "rules": [reading],
            }
        )
        for name, role in (("vault-reviews", "system:auth-delegator"), ("vault-namespaces", "vault-namespaces")):
            cluster.apply(
                {
                    "apiVersion": f"{rbac}/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": name},
                    "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
                    "subjects": [account],
                }
            )
        self._do("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        self._do(
            "POST",
            "auth/kubernetes/config",
            {
                "kubernetes_host": cluster.url,
                "kubernetes_ca_cert": cluster.certificate.read_text(),
                "token_reviewer_jwt": account_token(cluster, namespace, HOME["name"]),
                "disable_local_ca_jwt": True,
            },
        )

    def _do(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        answer = self.request(method, path, json=body)
        if answer.is_error:
            raise BenchError(f"{method} {path}: {answer.status_code} {answer.text}")


def account_token(cluster: Cluster, namespace: str, account: str) -> str:
    """A token of a service account, as External Secrets asks for one."""
    answer = cluster.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
        json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}},
    )
    if answer.is_error:
        raise BenchError(f"token of {namespace}/{account}: {answer.status_code} {answer.text}")
    return str(answer.json()["status"]["token"])
