"""The whole platform at once: cluster, forge and Argo CD, connected.

`python -m tests.cluster.demo` starts one for a person; the tests' fixtures put one together from parts that they share.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.cluster.bench.argocd import ArgoCd
from tests.cluster.bench.cluster import Cluster
from tests.cluster.bench.gitea import Gitea
from tests.cluster.tools import Report, binary

NAME = "bench"


@dataclass(frozen=True)
class Platform:
    """The three parts; Argo CD reads every repository of the forge, private ones too."""

    cluster: Cluster
    gitea: Gitea
    argocd: ArgoCd

    @classmethod
    @contextmanager
    def running(cls, report: Report = print) -> Iterator[Self]:
        """Start all parts in a temporary folder, end them on leaving. BenchError when one does not come up."""
        started = time.monotonic()
        # the pool is left first: what it still starts then belongs to the stack, which ends it
        with data_folder() as folder, ExitStack() as stack, ThreadPoolExecutor(1) as pool:
            forge = pool.submit(stack.enter_context, Gitea.running(folder / "gitea", report))
            cluster = stack.enter_context(Cluster.running(folder / "cluster", report))
            argocd = stack.enter_context(ArgoCd.running(folder / "argocd", cluster, report))
            platform = cls.connected(cluster, forge.result(), argocd)
            report(f"platform: ready after {time.monotonic() - started:.1f} s, logs under {folder}")
            yield platform
            report("platform: stopping")

    @classmethod
    def connected(cls, cluster: Cluster, gitea: Gitea, argocd: ArgoCd) -> Self:
        """Put running parts together: give Argo CD the forge's credentials."""
        argocd.add_credentials(gitea.url, gitea.username, gitea.token)
        return cls(cluster, gitea, argocd)

    def app_config(self) -> dict[str, Any]:
        """The app-config that connects a Backstage backend to the parts, in the keys of the stock plugins; and Helm."""
        cluster = {
            "name": NAME,
            "url": self.cluster.url,
            "authProvider": "serviceAccount",
            "serviceAccountToken": self.cluster.admin_token,
            "skipTLSVerify": True,
        }
        forge = {
            "host": self.gitea.host,
            "baseUrl": self.gitea.url,
            "username": self.gitea.username,
            "password": self.gitea.password,
        }
        instance = {"name": NAME, "url": self.argocd.url, "token": self.argocd.token}
        return {
            "integrations": {"gitea": [forge]},
            "kubernetes": {
                "serviceLocatorMethod": {"type": "multiTenant"},
                "clusterLocatorMethods": [{"type": "config", "clusters": [cluster]}],
            },
            "argocd": {"appLocatorMethods": [{"type": "config", "instances": [instance]}]},
            "understage": {"helm": {"binary": str(binary("helm"))}},
        }


@contextmanager
def data_folder() -> Iterator[Path]:
    """A temporary folder for the parts' data and logs, kept when `UNDERSTAGE_KEEP_BENCH` is set.

    Others may pass through it (Gitea may run as another user), not list it; each part closes its own folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="understage-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        if not os.environ.get("UNDERSTAGE_KEEP_BENCH"):
            shutil.rmtree(folder, ignore_errors=True)
