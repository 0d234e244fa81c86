"""The configured clusters by name: `ctx.ports.clusters` of every action."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understage.errors import InputError
from understage.integrations.kubernetes.cluster import KubernetesCluster
from understage.integrations.kubernetes.settings import ClusterSettings, read_cluster_settings


class KubernetesClusters:
    """Implements the port `sdk.Clusters`. Nothing is connected before the first request."""

    def __init__(self, settings: Sequence[ClusterSettings] = (), *, timeout: float = 30.0) -> None:
        usable = [cluster for cluster in settings if cluster.unusable is None]
        self._clusters = {cluster.name: KubernetesCluster(cluster, timeout=timeout) for cluster in usable}
        self._unusable = {cluster.name: cluster.unusable for cluster in settings if cluster.unusable is not None}

    def names(self) -> list[str]:
        """Names, in configuration order."""
        return list(self._clusters)

    def get(self, name: str | None = None) -> KubernetesCluster | None:
        """A cluster by name, or the first one; None when no cluster is configured and none was named."""
        if name is None:
            return next(iter(self._clusters.values()), None)
        if name in self._clusters:
            return self._clusters[name]
        if name in self._unusable:
            raise InputError(f"Cluster {name!r} cannot be used by tasks: {self._unusable[name]}")
        known = f"there are {', '.join(self._clusters)}" if self._clusters else "no cluster is configured"
        raise InputError(
            f"No cluster named {name!r} ({known}); clusters are named in kubernetes.clusterLocatorMethods or "
            "understage.kubernetes.clusters"
        )


def clusters_from_config(config: Mapping[str, Any], root: Path = Path()) -> KubernetesClusters:
    """The clusters of the merged app-config; relative paths start at `root`. InputError as `read_cluster_settings`."""
    return KubernetesClusters(read_cluster_settings(config, root))
