"""The bench of real parts: what the golden path ends in, started on 127.0.0.1 without containers.

    with Platform.running() as platform:
        platform.gitea.create_organization("acme")
        ...

Each of `Cluster`, `Gitea`, `ArgoCd`, `Vault` and `Platform` has `running`, a context manager that starts its processes on free
ports with data and logs in a folder, yields the handle and ends the processes. Binaries come from `tests.cluster.tools`.
Used by the fixtures (`tests.cluster.fixtures`) and the demo (`tests.cluster.demo`).
"""

from tests.cluster.bench.argocd import ArgoCd
from tests.cluster.bench.cluster import Cluster
from tests.cluster.bench.gitea import Gitea
from tests.cluster.bench.platform import Platform, data_folder
from tests.cluster.bench.process import BenchError
from tests.cluster.bench.vault import Vault

__all__ = ["ArgoCd", "BenchError", "Cluster", "Gitea", "Platform", "Vault", "data_folder"]
