"""`/api/understage/…/cost`: what services and namespaces cost, to whoever may read the entity in the catalog.

`app` hands in who spends (`integrations.opencost`) and how the catalog is asked; this package imports neither road.
"""

from understage.cost.router import CostReader, create_cost_router

__all__ = ["CostReader", "create_cost_router"]
