"""Kubernetes clusters: the port `sdk.Clusters`, by the official client and server-side apply.

`app` builds `KubernetesClusters` from the configuration; actions reach it as `ctx.ports.clusters`. The client library is
imported on the first request only.
"""

from understage.integrations.kubernetes.cluster import FIELD_MANAGER, KubernetesCluster
from understage.integrations.kubernetes.clusters import KubernetesClusters, clusters_from_config
from understage.integrations.kubernetes.settings import ClusterSettings, read_cluster_settings

__all__ = [
    "FIELD_MANAGER",
    "ClusterSettings",
    "KubernetesCluster",
    "KubernetesClusters",
    "clusters_from_config",
    "read_cluster_settings",
]
