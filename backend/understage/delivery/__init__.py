"""`/api/understage/services/{name}/status`: where a service runs and how it is, to whoever may read it in the catalog.

The same for the plugins of Argo CD on the entity's page, in their protocol: `/api/argocd`.

`app` hands in Argo CD, clusters and how the catalog is asked; this package imports neither road.
"""

from understage.delivery.plugin_router import create_argocd_plugin_router
from understage.delivery.router import create_status_router
from understage.delivery.sources import StatusSources

__all__ = ["StatusSources", "create_argocd_plugin_router", "create_status_router"]
