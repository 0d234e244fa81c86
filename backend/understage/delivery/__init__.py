"""`/api/understage/services/{name}/status`: where a service runs and how it is, to whoever may read it in the catalog.

`app` hands in Argo CD, clusters and how the catalog is asked; this package imports neither road.
"""

from understage.delivery.router import create_status_router
from understage.delivery.sources import StatusSources

__all__ = ["StatusSources", "create_status_router"]
