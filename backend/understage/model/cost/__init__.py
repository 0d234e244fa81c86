"""What manifests will cost a month, before there is anything. Pure: objects and a price list in, numbers out.

    quantity -> requests (of a pod) -> workloads (how many pods, for how long) -> estimate -> text

Extensions reach it as `understage.sdk.cost`: `cost:estimate` does, and whoever plans something. `understage cost estimate`
calls it too, so the portal and the command line say the same number.
"""

from understage.model.cost.estimate import Estimate, Line, estimate_cost
from understage.model.cost.prices import HOURS_OF_MONTH, PriceList, read_prices
from understage.model.cost.quantity import parse_quantity
from understage.model.cost.text import describe_estimate, money

__all__ = [
    "HOURS_OF_MONTH",
    "Estimate",
    "Line",
    "PriceList",
    "describe_estimate",
    "estimate_cost",
    "money",
    "parse_quantity",
    "read_prices",
]
