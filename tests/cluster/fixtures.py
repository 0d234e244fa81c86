"""The bench as pytest fixtures, one of each part per session: a plugin module, see `conftest.py`.

Tests that ask for one of them are marked `cluster`. Where a tool is missing they are skipped with a line that says
what to install; with `UNDERSTAGE_REQUIRE_ALL` in the environment (CI) they fail instead.
Names, namespaces and repositories are shared by the whole session: a test uses names of its own.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.bench import ArgoCd, Cluster, Gitea, Platform, data_folder

FIXTURES = {"helm_binary", "cluster", "gitea", "argocd", "platform"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """The helm of the bench."""
    _need("helm")
    return tools.binary("helm")


@pytest.fixture(scope="session")
def bench_folder() -> Iterator[Path]:
    """Data and logs of the parts (pytest's own temporary folders are closed to the user that Gitea runs as)."""
    with data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def cluster(bench_folder: Path) -> Iterator[Cluster]:
    """A Kubernetes cluster."""
    _need("etcd", "kubernetes", "kwok")
    with Cluster.running(bench_folder / "cluster") as running:
        yield running


@pytest.fixture(scope="session")
def gitea(bench_folder: Path) -> Iterator[Gitea]:
    """A git forge."""
    _need("gitea", commands=("git",))
    with Gitea.running(bench_folder / "gitea") as running:
        yield running


@pytest.fixture(scope="session")
def argocd(bench_folder: Path, cluster: Cluster) -> Iterator[ArgoCd]:
    """An Argo CD for `cluster`."""
    _need("argocd", "helm", commands=("redis-server", "git"))
    with ArgoCd.running(bench_folder / "argocd", cluster) as running:
        yield running


@pytest.fixture(scope="session")
def platform(cluster: Cluster, gitea: Gitea, argocd: ArgoCd) -> Platform:
    """The three of them, Argo CD reading the forge's repositories."""
    return Platform.connected(cluster, gitea, argocd)


def _need(*parts: str, commands: tuple[str, ...] = ()) -> None:
    """Skip, or in CI fail, when a part is not built or a command is not installed."""
    if lacking := tools.lacking(parts, commands):
        give_up = pytest.fail if os.environ.get("UNDERSTAGE_REQUIRE_ALL") else pytest.skip
        give_up("; ".join(lacking))
