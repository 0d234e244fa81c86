"""What was spent, as OpenCost allocates it: by namespace, and by service within its namespaces.

    OpenCost -> allocation (read its answer) -> spending (whose it is, a month) -> source (kept for a while)

`understage.cost` answers requests from it, and the catalog's processor `CostAnnotationProcessor` annotates entities.
"""

from understage.integrations.opencost.source import OpenCostSource, source_from_settings
from understage.integrations.opencost.spending import Cost, Spending, service_of

__all__ = ["Cost", "OpenCostSource", "Spending", "service_of", "source_from_settings"]
