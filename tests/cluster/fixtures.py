"""The bench as pytest fixtures, one of each part per session: a plugin that `tests/conftest.py` loads.

Tests that ask for one of them are marked `cluster`. Where a tool is missing they are skipped with a line that says
what to install; with `UNDERSTAGE_REQUIRE_ALL` in the environment (CI) they fail instead.
Names, namespaces and repositories are shared by the whole session: a test uses names of its own.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.cluster import tools
from tests.cluster.bench import ArgoCd, Cluster, Gitea, Platform, Vault, data_folder
from tests.cluster.bench.definitions import external_secret_definitions, install

CLUSTER_PARTS = ("etcd", "kubernetes", "kwok")
ARGOCD_PARTS = ("argocd", "helm")
FIXTURES = {"helm_binary", "kyverno_binary", "cluster", "gitea", "argocd", "platform", "platform_tools", "vault"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """The helm of the bench."""
    _need(["helm"])
    return tools.binary("helm")


@pytest.fixture(scope="session")
def kyverno_binary() -> Path:
    """The command of Kyverno."""
    _need(["kyverno"])
    return tools.binary("kyverno")


@pytest.fixture(scope="session")
def bench_folder() -> Iterator[Path]:
    """Data and logs of the parts (pytest's own temporary folders are closed to the user that Gitea runs as)."""
    with data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def cluster(bench_folder: Path) -> Iterator[Cluster]:
    """A Kubernetes cluster."""
    _need(CLUSTER_PARTS)
    with Cluster.running(bench_folder / "cluster") as running:
        yield running


@pytest.fixture(scope="session")
def gitea(bench_folder: Path) -> Iterator[Gitea]:
    """A git forge."""
    _need(["gitea"], ["git"])
    with Gitea.running(bench_folder / "gitea") as running:
        yield running


@pytest.fixture(scope="session")
def argocd(bench_folder: Path, cluster: Cluster) -> Iterator[ArgoCd]:
    """An Argo CD for `cluster`."""
    _need(ARGOCD_PARTS, ["redis-server", "git"])
    with ArgoCd.running(bench_folder / "argocd", cluster) as running:
        yield running


@pytest.fixture(scope="session")
def platform(cluster: Cluster, gitea: Gitea, argocd: ArgoCd) -> Platform:
    """The three of them, Argo CD reading the forge's repositories."""
    return Platform.connected(cluster, gitea, argocd)


@pytest.fixture(scope="session")
def vault(bench_folder: Path, cluster: Cluster) -> Iterator[Vault]:
    """A store of secrets that takes the service accounts of `cluster`."""
    _need(["openbao"])
    with Vault.running(bench_folder / "vault", cluster) as running:
        yield running


@pytest.fixture
def external_secrets(cluster: Cluster) -> None:
    """External Secrets' own definitions, without their operator."""
    _need(["definitions"])
    install(cluster, *external_secret_definitions())


@pytest.fixture(scope="session")
def platform_tools() -> None:
    """What a platform is made of is there, for tests that start one of their own."""
    _need([*CLUSTER_PARTS, "gitea", *ARGOCD_PARTS], ["redis-server", "git"])


@pytest.fixture(scope="session")
def go_toolchain() -> None:
    """Go is there."""
    _give_up_over(tools.lacking_toolchain([]))


def _need(parts: Sequence[str], commands: Sequence[str] = ()) -> None:
    """Go on only when the parts are built and the commands installed."""
    _give_up_over(tools.lacking(parts, commands))


def _give_up_over(lacking: list[str]) -> None:
    """Skip, or in CI fail, when something is lacking."""
    if lacking:
        give_up = pytest.fail if os.environ.get("UNDERSTAGE_REQUIRE_ALL") else pytest.skip
        give_up("; ".join(lacking))
